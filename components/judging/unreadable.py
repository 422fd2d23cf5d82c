"""Why files of a corpus could not be read, as the ledger of a dataset tells it."""

import json
from collections import Counter
from pathlib import Path

from components.reading.ledger import LEDGER, REJECTED
from kakeai.report.page import Unreadable

MOST_REASONS = 12  # that a reader takes in


def unreadable(dataset: Path) -> list[Unreadable]:
    """Return the reasons why files could not be read, the most frequent first; none where there is no ledger."""
    files: Counter[str] = Counter()
    examples: dict[str, str] = {}
    path = dataset / LEDGER
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("verdict") == REJECTED:
                    files[row["reason"]] += 1
                    examples.setdefault(row["reason"], row["file"])
    most = files.most_common(MOST_REASONS)
    others = files.total() - sum(number for _, number in most)
    told = [Unreadable(reason, number, examples[reason]) for reason, number in most]
    return (
        [*told, Unreadable("other reasons", others, "those in the dataset's ledger.jsonl")]
        if others
        else told
    )
