"""How many processors a container may keep busy."""

import os
from pathlib import Path

import pytest

from kakeai import processors


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),  # one and a half are better used by two
        ("10000 100000", 1),
        ("9900000 100000", 8),  # no more than there are
        ("", 8),
        ("many few", 8),
    ],
)
def test_a_containers_limit_counts(
    limit: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(processors, "CGROUP_LIMIT", tmp_path / "cpu.max")
    assert processors.usable_processors() == 8  # where there is no limit at all
    (tmp_path / "cpu.max").write_text(limit)
    assert processors.usable_processors() == expected
