"""Why files were not simply read: rows of a ledger, counted by reason."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Reason(NamedTuple):
    """Files of which one thing can be said.

    Attributes:
        verdict: What became of them, see `kakeai.reading.ledger`.
        words: Why, with `…` in the place of numbers: byte 5 and byte 1,777 are one reason.
        files: How many they are.
        example: The first of them.
    """

    verdict: str
    words: str
    files: int
    example: str


def by_reason(rows: Iterable[tuple[str, str, str]]) -> list[Reason]:
    """Count verdict, reason and file of each row by the first two; the most frequent come first."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for verdict, reason, file in rows:
        key = (verdict, re.sub(r"\d[\d,]*", "…", reason))
        counts[key] += 1
        examples.setdefault(key, file)
    return [Reason(*key, count, examples[key]) for key, count in counts.most_common()]
