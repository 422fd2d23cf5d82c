"""The folders that ingest wrote, as one corpus: its files in their order, and their NoteSequences."""

import heapq
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kakeai.errors import KakeaiError
from kakeai.reading.ledger import DUPLICATE, LEDGER, FileRow, read_ledger

INFO = "ingest.json"  # what ingest counted, and which shard it read


class IngestedFile(NamedTuple):
    """A file of the corpus: what ingest says of it, and its serialised NoteSequences."""

    row: FileRow
    records: list[bytes]


class Ingested:
    """What ingest wrote.

    Attributes:
        num_sequences: NoteSequences in all, those of duplicates among the shards counted in.
        num_bytes: Of the files that hold them.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Look at the shards of a corpus, or at several corpora, in any order.

        Raises:
            KakeaiError: A folder that ingest did not write.
        """
        infos = [(_read_info(folder), folder) for folder in folders]
        self._folders = [
            folder for info, folder in sorted(infos, key=lambda at: (at[0]["shard"], _first(at[1])))
        ]
        self.num_sequences: int = sum(info["num_sequences"] for info, _ in infos)
        self.num_bytes = sum(_tfrecord(folder).stat().st_size for folder in folders)

    def files(self) -> Iterator[IngestedFile]:
        """Yield every file in the order of the corpus, whatever the number of shards; a content comes once.

        Raises:
            KakeaiError: A damaged folder.
        """
        first_with: dict[bytes, str] = {}  # by SHA-256: the path
        for file in heapq.merge(*map(_files, self._folders), key=lambda file: file.row.position):
            digest = file.row.sha256
            first = first_with.setdefault(bytes.fromhex(digest), file.row.file) if digest else file.row.file
            if first == file.row.file:
                yield file
                continue
            reason = f"{first} has the same content"
            yield IngestedFile(file.row._replace(verdict=DUPLICATE, reason=reason, sequences=0), [])


def _read_info(folder: Path) -> dict[str, Any]:
    try:
        info = json.loads((folder / INFO).read_text())
        return {"shard": info["shard"], "num_sequences": info["num_sequences"]}
    except (OSError, ValueError, LookupError, TypeError):
        raise KakeaiError(f"{folder} holds no NoteSequences; make them with kakeai ingest") from None


def _tfrecord(folder: Path) -> Path:
    for path in folder.glob("*.tfrecord"):
        return path
    raise KakeaiError(f"{folder} holds no NoteSequences; make them with kakeai ingest")


def _rows(folder: Path) -> Iterator[FileRow]:
    try:
        yield from read_ledger(folder)
    except (OSError, ValueError):
        raise KakeaiError(f"the ledger {folder / LEDGER} is damaged; run kakeai ingest again") from None


def _first(folder: Path) -> str:
    return next((row.file for row in _rows(folder)), "")


def _files(folder: Path) -> Iterator[IngestedFile]:
    from kakeai.model.data.tfrecord import read_records

    path = _tfrecord(folder)
    records = read_records(path)
    try:
        for row in _rows(folder):
            mine = list(islice(records, row.sequences))
            if len(mine) < row.sequences:
                raise ValueError("it has fewer NoteSequences than its ledger says")
            yield IngestedFile(row, mine)
        if next(records, None) is not None:
            raise ValueError("it has more NoteSequences than its ledger says")
    except (OSError, ValueError) as error:
        raise KakeaiError(f"{path} is damaged ({error}); run kakeai ingest again") from None
