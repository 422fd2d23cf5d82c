"""Why files were not simply read, and music did not become melodies, as tables on the screen."""

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from cli.progress import console, plain
from kakeai.melodies.ledger import REASONS, Loss
from kakeai.reading.ledger import DUPLICATE, LEDGER, read_ledger
from kakeai.reading.reasons import by_reason

MAX_REASONS = 12  # rows of the table


def show_reasons(note_sequences: Path) -> None:
    """Count the files that ingest rejected or repaired by reason, most frequent first, each with an example."""
    reasons = by_reason(
        (row.verdict, row.reason, row.file)
        for row in read_ledger(note_sequences)
        if row.reason and row.verdict != DUPLICATE
    )
    if not reasons:
        return
    table = _table(["files"], ["verdict", "reason", "such as"])
    for each in reasons[:MAX_REASONS]:
        table.add_row(f"{each.files:,}", each.verdict, plain(each.words), plain(each.example))
    console.print(table)
    if len(reasons) > MAX_REASONS:
        console.print(f"{len(reasons) - MAX_REASONS} reasons more")
    console.print(f"every file stands in {note_sequences / LEDGER}", markup=False)


def show_losses(losses: Mapping[str, Loss]) -> None:
    """Show how much each reason kept out of a dataset, and what to do about the first of them."""
    if not losses:
        return
    table = _table(["files", "tracks", "stretches"], ["dropped because", "such as"])
    for reason, loss in losses.items():
        table.add_row(
            *(f"{n:,}" if n else "" for n in (loss.files, loss.tracks, loss.stretches)),
            REASONS[reason].words,
            plain(loss.example),
        )
    console.print(table)
    first = REASONS[next(iter(losses))]
    console.print(f"{first.words}: {first.advice}")


def _table(numbers: list[str], words: list[str]) -> Table:
    table = Table(*numbers, *words, box=None, pad_edge=False, header_style="dim")
    for column in table.columns[: len(numbers)]:
        column.justify = "right"
    return table
