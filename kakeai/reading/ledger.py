"""The ledger of ingest: what became of every file of a corpus, a row each, in the order of their paths."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LEDGER = "ledger.jsonl"

# What can become of a file
READ = "read"
REPAIRED = "repaired"  # its notes are sound, what is around them is not, and is left out
REJECTED = "rejected"
DUPLICATE = "duplicate"  # an earlier file has the same content


class FileRow(NamedTuple):
    """One file.

    Attributes:
        file: Its path in the corpus.
        bytes: Its size, as far as it is known.
        sha256: Of its content, in hex; None where the content could not be had, or repeats an earlier file's.
        verdict: READ, REPAIRED, REJECTED or DUPLICATE.
        reason: A sentence that says why it, or a tune of a tunebook, was not simply read; else empty.
        sequences: NoteSequences that came out of it.
        position: Its place in the corpus, from 0, whoever read it.
    """

    file: str
    bytes: int
    sha256: str | None
    verdict: str
    reason: str = ""
    sequences: int = 0
    position: int = 0

    def as_line(self) -> str:
        """Return the row as a line of `ledger.jsonl`."""
        return _encoded(self._asdict()) + "\n"


_encoded = json.JSONEncoder(ensure_ascii=False).encode


def read_ledger(folder: Path) -> Iterator[FileRow]:
    """Yield the rows of the ledger in a folder that ingest wrote.

    Raises:
        OSError: There is none.
        ValueError: It is damaged.
    """
    with (folder / LEDGER).open(encoding="utf-8") as lines:
        for line in lines:
            try:
                yield FileRow(**json.loads(line))
            except TypeError:  # other fields than a row has
                raise ValueError(f"{folder / LEDGER} is damaged") from None
