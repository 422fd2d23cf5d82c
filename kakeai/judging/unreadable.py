"""Which files of a dataset's corpus could not be read, for the report."""

import json
from collections.abc import Iterator
from pathlib import Path

from kakeai.reading.ledger import LEDGER, REJECTED
from kakeai.reading.reasons import by_reason
from kakeai.report.page import Unreadable

MOST_REASONS = 12  # that a reader takes in


def unreadable(dataset: Path) -> list[Unreadable]:
    """Return the reasons why files could not be read, the most frequent first; none where there is no ledger."""
    reasons = by_reason(_rejected(dataset / LEDGER))
    told = [Unreadable(each.words, each.files, each.example) for each in reasons[:MOST_REASONS]]
    others = sum(each.files for each in reasons[MOST_REASONS:])
    if others:
        told.append(Unreadable("other reasons", others, "those in the dataset's ledger.jsonl"))
    return told


def _rejected(ledger: Path) -> Iterator[tuple[str, str, str]]:
    if not ledger.is_file():
        return
    with ledger.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row.get("verdict") == REJECTED:
                yield REJECTED, row["reason"], row["file"]
