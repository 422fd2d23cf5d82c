"""What long work shows on the screen: a bar while it runs, one line when it is done."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

# The screen itself, whatever stands for sys.stdout while a pipeline's own output goes to its log.
console = Console(file=sys.stdout, highlight=False)

# How a stage's figures read, in the order in which people ask; names are those of `components`.
WORDS = {
    "sentence": "{}",
    "files": "{:,} files read",
    "sequences": "{:,} sequences",
    "rejected": "{:,} rejected",
    "training_melodies": "{:,} melodies to train on",
    "eval_melodies": "{:,} held out",
    "steps": "{:,} steps",
    "loss": "loss {:.3f}",
    "held_out_loss": "held out {:.3f}",
    "model_event_accuracy": "event accuracy {:.3f}",
    "ngram_event_accuracy": "an n-gram's {:.3f}",
    "samples_quotation_longest": "longest passage shared with a tune: {} notes",
    "step": "step {}",
    "bundle": "{}",
    "model": "model {}",
    "version": "version {}",
}


def sentence(figures: dict[str, Any]) -> str:
    """Return a stage's figures as people read them, those without a wording left out."""
    told = [words.format(figures[name]) for name, words in WORDS.items() if figures.get(name) is not None]
    return ", ".join(part.removesuffix(".") for part in told)


def plain(text: str) -> Text:
    """Keep what a file may hold from steering the terminal."""
    return Text("".join(letter if letter.isprintable() else "?" for letter in text), overflow="fold")


def show_stage(name: str, figures: dict[str, Any]) -> None:
    """Print the line of a finished stage: name, figures, seconds; a warning below it."""
    seconds = f"{figures['seconds']:.1f} s" if "seconds" in figures else ""
    console.print(f"[bold]{name:<9}[/] {sentence(figures)} [dim]{seconds}[/]")
    if figures.get("warning"):
        console.print(f"          [yellow]{figures['warning']}[/]")


class StageBar:
    """The bar of the work at hand; prints nothing where the screen is no terminal."""

    def __init__(self, bars: Progress) -> None:
        """Draw into `bars`."""
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, name: str, done: int, total: int | None, **details: Any) -> None:  # noqa: ANN401
        """Move the bar of `name`; it is made on first sight."""
        words = ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in details.items() if value and key != "warning"
        )
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, words=words, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total, words=words)

    def remove(self, name: str) -> None:
        """Take the bar of `name` away."""
        if name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))


@contextmanager
def stage_bar() -> Iterator[StageBar]:
    """Show bars for the time of the `with` block."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[words]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        yield StageBar(bars)
