"""How many processors there are to use: fewer than the machine has, where a container is given fewer."""

import math
import os
from pathlib import Path

# cgroup v2: a quota ("max" for none) and the period it is for, both in microseconds.
CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def usable_processors() -> int:
    """Return how many processors this process may keep busy, at least 1."""
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CGROUP_LIMIT.read_text().split()
        allowed = present if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        allowed = present
    return max(1, min(present, allowed))
