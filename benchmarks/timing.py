"""Two ways to do one thing, timed in turn, and what a command costs as a whole process."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

TIMES = 3


def in_turn(
    first: Callable[[], object], second: Callable[[], object], times: int = TIMES
) -> tuple[float, float]:
    """Return the median seconds of each, run one after the other so often that both meet the same machine."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for spent, work in zip(seconds, (first, second), strict=True):
            begun = time.perf_counter()
            work()
            spent.append(time.perf_counter() - begun)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


class Process(NamedTuple):
    """What a command cost.

    Attributes:
        seconds: From its start to its end.
        peak_bytes: The most memory that its process held; processes that it started have their own.
    """

    seconds: float
    peak_bytes: int


def process(command: Sequence[str]) -> Process:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024
    return Process(seconds, usage.ru_maxrss * unit)
