"""What earlier runs read, kept by content: packs of NoteSequences that outlast a run.

`PLACE/READER/NAME.tfrecord` holds NoteSequences, and `NAME.jsonl.gz` which content each came from. READER is a
fingerprint of the code that reads, so that a new reader begins anew. A pack is written once, whole, and may be
deleted at any time: what it held is then read again.
"""

import gzip
import hashlib
import json
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import components
import kakeai
from components.file_reading import MIDI_SUFFIXES, FileReading, renamed
from kakeai.errors import KakeaiError
from kakeai.manifest import ManifestRow
from kakeai.model.tfrecord import framed, records_in
from kakeai.storage import CONNECTIONS, bring, location, names_in, put_file, read_bytes

if TYPE_CHECKING:
    from types import TracebackType

_INDEX, _RECORDS = ".jsonl.gz", ".tfrecord"
_READING_CODE = ("music/**/*.py", "model/note_sequence*.py", "model/notation.py")  # in the package kakeai


@cache
def reader_fingerprint() -> str:
    """Return what tells this code that reads files from others."""
    root = Path(kakeai.__file__).parent
    sources = sorted(path for pattern in _READING_CODE for path in root.glob(pattern))
    digest = hashlib.sha256(f"note-seq {version('note-seq')}".encode())
    for path in [*sources, Path(components.__file__).with_name("file_reading.py")]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def content_key(file: str, collection: str, md5: str) -> str:
    """Return what a file's reading is kept by: its content, and for other scores than MIDI also its path.

    A piece carries the path in its id, which can be put right afterwards only where a file is one piece.
    """
    if file.lower().endswith(MIDI_SUFFIXES):
        return f"{md5}.mid"
    return f"{md5}.{hashlib.sha1(f'{collection}/{file}'.encode(errors='surrogateescape')).hexdigest()}"


@dataclass(frozen=True)
class _Entry:
    """What a pack holds of a content.

    Attributes:
        key: Which content.
        file: Path and collection that its NoteSequences carry.
        collection: See there.
        sha256: Of the content, in hex.
        start: Where in the file of records its NoteSequences begin.
        sequences: How many there are.
        complaints: As in FileReading.
        repair: As in FileReading.
    """

    key: str
    file: str
    collection: str
    sha256: str
    start: int
    sequences: int
    complaints: list[str]
    repair: str


class Packs(AbstractContextManager["Packs"]):
    """The packs in a place; those that are looked into are brought here until the context ends."""

    def __init__(self, place: str, collection: str) -> None:
        """Find them.

        Args:
            place: A folder or a gs:// address; an empty one has no packs.
            collection: The name of the collection that is read.

        Raises:
            KakeaiError: It cannot be named so.
        """
        self._root = location(place) / reader_fingerprint() if place else None
        self._opened = ExitStack()
        self._here = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-")))
        self._collection = collection
        self._packs: dict[str, _Pack | None] = {}

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Drop what was brought here."""
        self._opened.close()

    def known(self) -> dict[str, str]:
        """Return the name of the pack of each content, by its key.

        Raises:
            KakeaiError: A bucket that does not answer.
        """
        if self._root is None:
            return {}
        names = [name.removesuffix(_INDEX) for name in names_in(self._root) if name.endswith(_INDEX)]
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            indexes = threads.map(self._index, names)
            return {key: name for name, index in zip(names, indexes, strict=True) for key in index}

    def holds(self, row: ManifestRow) -> bool:
        """Return whether the pack that the manifest names has a file's content.

        Raises:
            KakeaiError: A bucket that does not answer.
        """
        return self._entry(row) is not None

    def reading(self, row: ManifestRow, file: str) -> tuple[FileReading, str]:
        """Return what came out of a file that `holds` finds, and its SHA-256.

        Args:
            row: The file in the manifest.
            file: The path that its NoteSequences are to carry.

        Raises:
            KakeaiError: The pack is damaged.
        """
        pack, entry = self._packs[row.pack], self._entry(row)
        assert pack
        assert entry
        pack.records.seek(entry.start)
        try:
            sequences = list(islice(records_in(pack.records), entry.sequences))
        except (OSError, ValueError) as error:
            raise KakeaiError(f"{self._root}/{row.pack}{_RECORDS} is damaged ({error}): delete it") from None
        if (entry.file, entry.collection) != (file, self._collection):
            sequences = [renamed(sequence, file, self._collection) for sequence in sequences]
        return FileReading(sequences, entry.complaints, entry.repair), entry.sha256

    def _entry(self, row: ManifestRow) -> _Entry | None:
        if not row.pack or self._root is None:
            return None
        if row.pack not in self._packs:
            self._packs[row.pack] = self._open(row.pack)
        pack = self._packs[row.pack]
        return pack and pack.entries.get(content_key(row.file, self._collection, row.md5))

    def _open(self, name: str) -> "_Pack | None":
        assert self._root is not None
        try:
            records = bring(self._root / f"{name}{_RECORDS}", self._here)
            return _Pack(self._index(name), self._opened.enter_context(records.open("rb")))
        except OSError:  # it was deleted, as any pack may be
            return None

    def _index(self, name: str) -> dict[str, _Entry]:
        assert self._root is not None
        try:
            lines = gzip.decompress(read_bytes(self._root / f"{name}{_INDEX}")).splitlines()
            entries = [_Entry(**json.loads(line)) for line in lines]
        except (OSError, EOFError, zlib.error, ValueError, TypeError):  # deleted, or damaged
            return {}
        return {entry.key: entry for entry in entries}


class _Pack(NamedTuple):
    entries: dict[str, _Entry]
    records: IO[bytes]


class NewPack(AbstractContextManager["NewPack"]):
    """A pack of what this run reads; it is kept where no error ends the context, unless it is empty."""

    def __init__(self, place: str, collection: str) -> None:
        """Begin a pack in a folder or at a gs:// address; an empty one keeps nothing."""
        self._collection = collection
        self._root = location(place) / reader_fingerprint() if place else None
        self._keys = hashlib.sha256()
        self._num_entries = 0
        self._opened = ExitStack()
        self._here = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-")))
        self._index = self._opened.enter_context(gzip.open(self._here / "index", "wt", encoding="utf-8"))  # noqa: SIM115
        self._records = self._opened.enter_context((self._here / "records").open("wb"))

    def add(self, row: ManifestRow, file: str, sha256: str, reading: FileReading) -> None:
        """Add what came out of a file."""
        if self._root is None or not reading.lasting:
            return
        key = content_key(row.file, self._collection, row.md5)
        start, num_sequences = self._records.tell(), len(reading.sequences)
        entry = _Entry(
            key, file, self._collection, sha256, start, num_sequences, reading.complaints, reading.repair
        )
        for sequence in reading.sequences:
            self._records.write(framed(sequence))
        self._index.write(json.dumps(asdict(entry)) + "\n")
        self._keys.update(f"{key}\n".encode())
        self._num_entries += 1

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Keep it, or drop it."""
        with self._opened:
            if error is None and self._root is not None and self._num_entries:
                self._records.close()
                self._index.close()
                name = self._keys.hexdigest()[:32]
                put_file(self._here / "records", self._root / f"{name}{_RECORDS}")
                put_file(
                    self._here / "index", self._root / f"{name}{_INDEX}"
                )  # what is in no index is not there
