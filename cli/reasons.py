"""Why files were not simply read, as a table on the screen."""

import re
from collections import Counter
from pathlib import Path

from rich.table import Table
from rich.text import Text

from cli.progress import console
from components.ledger import DUPLICATE, LEDGER, read_ledger

MAX_REASONS = 12  # rows of the table


def show_reasons(note_sequences: Path) -> None:
    """Count the files that ingest rejected or repaired by reason, most frequent first, each with an example."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for row in read_ledger(note_sequences):
        if row.reason and row.verdict != DUPLICATE:
            key = (row.verdict, _without_numbers(row.reason))
            counts[key] += 1
            examples.setdefault(key, row.file)
    if not counts:
        return
    table = Table("files", "verdict", "reason", "such as", box=None, pad_edge=False, header_style="dim")
    table.columns[0].justify = "right"
    for (verdict, reason), count in counts.most_common(MAX_REASONS):
        table.add_row(f"{count:,}", verdict, _plain(reason), _plain(examples[verdict, reason]))
    console.print(table)
    if len(counts) > MAX_REASONS:
        console.print(f"{len(counts) - MAX_REASONS} reasons more")
    console.print(f"every file stands in {note_sequences / LEDGER}", markup=False)


def _without_numbers(reason: str) -> str:
    """Make one reason of those that differ by the byte or the track alone."""
    return re.sub(r"\d[\d,]*", "…", reason)


def _plain(text: str) -> Text:
    """Keep what a file's name may hold from steering the terminal."""
    return Text("".join(letter if letter.isprintable() else "?" for letter in text), overflow="fold")
