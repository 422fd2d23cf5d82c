"""What the benchmarks found: rows on the screen, and a section each in `RESULTS.md`."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("kakeai", "magenta", "note-seq", "tensorflow", "keras", "numpy", "grpcio", "fastapi", "uvicorn")
HEADING = "# Benchmarks\n\nFigures of one run on one machine: the ratios carry over, the figures do not.\n"
RATES = ("/s",)  # units whose larger figure is the better one end so; of all others the smaller one is


class Row(NamedTuple):
    """One piece of work, done by Magenta and by Kakeai in one run.

    Attributes:
        work: What was done.
        setting: On what: files, sizes, cores.
        unit: Of both figures, such as `files/s` or `ms`.
        magenta: Median of its figures.
        kakeai: Median of ours.
        aim: How many times better Kakeai is to be; None where nothing was set.
    """

    work: str
    setting: str
    unit: str
    magenta: float
    kakeai: float
    aim: float | None = None

    @property
    def ratio(self) -> float:
        """How many times better Kakeai is."""
        better, worse = self.kakeai, self.magenta
        return better / worse if self.unit.endswith(RATES) else worse / better


class Figure(NamedTuple):
    """One figure of Kakeai's own.

    Attributes:
        work: What was done.
        setting: On what.
        unit: Of the figure.
        value: The figure.
        limit: What it must not exceed (or, of a rate, not fall below); None where nothing was set.
    """

    work: str
    setting: str
    unit: str
    value: float
    limit: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps to its limit."""
        if self.limit is None:
            return True
        return (
            self.value >= self.limit if self.unit.endswith((*RATES, "×", "%")) else self.value <= self.limit
        )


def report(title: str, rows: Sequence[Row] | Sequence[Figure], note: str = "") -> None:
    """Show rows on the screen, and put them in the place of the section `title` of `RESULTS.md`.

    Args:
        title: Of the section.
        rows: At least one, all of one kind.
        note: A paragraph below the table: how it was measured, and where the time goes that is missing.
    """
    head, *lines = [_head(rows[0]), *map(_cells, rows)]
    table = Table(title=title)
    for name in head:
        table.add_column(name)
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    cells = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines)]
    _write_section(title, "\n".join([machine(), "", *cells, *(["", note] if note else [])]))


def machine() -> str:
    """Return a line that says when, on what, and with which versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_processor()}, {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(found)}"
    )


def _processor() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.machine()


def _head(row: Row | Figure) -> list[str]:
    if isinstance(row, Row):
        return ["work", "setting", "unit", "Magenta", "Kakeai", "times better", "aim"]
    return ["work", "setting", "unit", "figure", "limit", "kept"]


def _cells(row: Row | Figure) -> list[str]:
    if isinstance(row, Row):
        aim = f"{row.aim:g} ×" if row.aim else ""
        measured = [_number(row.magenta), _number(row.kakeai), f"{_number(row.ratio)} ×", aim]
        return [row.work, row.setting, row.unit, *measured]
    limit = _number(row.limit) if row.limit is not None else ""
    kept = "" if row.limit is None else "yes" if row.is_met else "no"
    return [row.work, row.setting, row.unit, _number(row.value), limit, kept]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _write_section(title: str, body: str) -> None:
    before = RESULTS.read_text() if RESULTS.exists() else HEADING
    parts = re.split(r"^(?=## )", before, flags=re.MULTILINE)
    section = f"## {title}\n\n{body}\n\n"
    names = [part.split("\n", 1)[0] for part in parts]
    if f"## {title}" in names:
        parts[names.index(f"## {title}")] = section
    else:
        parts = [*(part if part.endswith("\n\n") else part.rstrip("\n") + "\n\n" for part in parts), section]
    RESULTS.write_text("".join(parts).rstrip("\n") + "\n")
