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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import kakeai
from kakeai.corpus.sizes import MIDI_SUFFIXES
from kakeai.disk import temporary_disk_errors
from kakeai.errors import KakeaiError
from kakeai.manifest import ManifestRow
from kakeai.model.data.tfrecord import framed, records_in
from kakeai.reading import formats
from kakeai.reading.formats import FileReading, renamed
from kakeai.storage import CONNECTIONS, bring, location, names_in, put_file, read_bytes

if TYPE_CHECKING:
    from cloudpathlib import GSPath

_INDEX, _RECORDS = ".jsonl.gz", ".tfrecord"
_READING_CODE = ("music/**/*.py", "model/note_sequence*.py", "model/notation.py")  # in the package kakeai


@cache
def reader_fingerprint() -> str:
    """Return what tells this code that reads files from others."""
    root = Path(kakeai.__file__).parent
    sources = sorted(path for pattern in _READING_CODE for path in root.glob(pattern))
    digest = hashlib.sha256(f"note-seq {version('note-seq')}".encode())
    for path in [*sources, Path(formats.__file__)]:
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


class Packs:
    """The packs in a place; those that are looked into are brought here until the context of `open_packs` ends."""

    def __init__(self, root: "Path | GSPath | None", collection: str, here: Path, opened: ExitStack) -> None:
        """Look for packs under `root` (None: there are none); see `open_packs`."""
        self._root = root
        self._collection = collection
        self._here = here
        self._opened = opened
        self._packs: dict[str, _Pack | None] = {}

    @cached_property
    def _names(self) -> dict[str, str]:
        """The name of the pack of each content, by its key."""
        if self._root is None:
            return {}
        names = [name.removesuffix(_INDEX) for name in names_in(self._root) if name.endswith(_INDEX)]
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            indexes = threads.map(self._index, names)
            return {key: name for name, index in zip(names, indexes, strict=True) for key in index}

    @property
    def are_empty(self) -> bool:
        """Whether nothing has been read yet.

        Raises:
            KakeaiError: A bucket that does not answer.
        """
        return not self._names

    def name_of(self, row: ManifestRow) -> str:
        """Return the name of the pack that has a file's content; empty where none has.

        Raises:
            KakeaiError: A bucket that does not answer.
        """
        return self._names.get(content_key(row.file, self._collection, row.md5), "")

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


@contextmanager
def open_packs(place: str, collection: str) -> Iterator[Packs]:
    """Yield the packs in a place.

    Args:
        place: A folder or a gs:// address; an empty one has no packs.
        collection: The name of the collection that is read.

    Raises:
        KakeaiError: The place cannot be named so.
    """
    with ExitStack() as opened:
        with temporary_disk_errors():
            here = opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-"))
        yield Packs(_root(place), collection, Path(here), opened)


class NewPack:
    """A pack of what this run reads."""

    def __init__(self, collection: str, index: IO[str], records: IO[bytes]) -> None:
        """Write it into these two files; see `new_pack`."""
        self._collection = collection
        self._index, self._records = index, records
        self._keys = hashlib.sha256()
        self.num_entries = 0

    def add(self, row: ManifestRow, file: str, sha256: str, reading: FileReading) -> None:
        """Add what came out of a file, if another try would come to the same.

        Args:
            row: The file in the manifest.
            file: The path that its NoteSequences carry.
            sha256: Of its content, in hex.
            reading: What came out of it.
        """
        if not reading.lasting:
            return
        key = content_key(row.file, self._collection, row.md5)
        start, num_sequences = self._records.tell(), len(reading.sequences)
        entry = _Entry(
            key, file, self._collection, sha256, start, num_sequences, reading.complaints, reading.repair
        )
        with temporary_disk_errors():
            for sequence in reading.sequences:
                self._records.write(framed(sequence))
            self._index.write(json.dumps(asdict(entry)) + "\n")
        self._keys.update(f"{key}\n".encode())
        self.num_entries += 1

    @property
    def name(self) -> str:
        """Tells what it holds: the same contents make the same name."""
        return self._keys.hexdigest()[:32]


@contextmanager
def new_pack(place: str, collection: str) -> Iterator[NewPack | None]:
    """Begin a pack; if no error ends the `with` block, it is kept, unless it is empty.

    Args:
        place: A folder or a gs:// address; an empty one has no pack, and this yields None.
        collection: The name of the collection that is read.

    Raises:
        KakeaiError: The place cannot be named so, a bucket that does not answer, or a full disk.
    """
    root = _root(place)
    if root is None:
        yield None
        return
    with ExitStack() as opened:
        files = ExitStack()
        with temporary_disk_errors():
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-"))
            index, records = Path(folder, "index"), Path(folder, "records")
            lines = files.enter_context(gzip.open(index, "wt", encoding="utf-8"))
            content = files.enter_context(records.open("wb"))
        pack = NewPack(collection, lines, content)
        try:
            yield pack
        finally:
            with temporary_disk_errors():
                files.close()
        if pack.num_entries:
            put_file(records, root / f"{pack.name}{_RECORDS}")
            put_file(index, root / f"{pack.name}{_INDEX}")  # last, since what is in no index is not there


def _root(place: str) -> "Path | GSPath | None":
    return location(place) / reader_fingerprint() if place else None
