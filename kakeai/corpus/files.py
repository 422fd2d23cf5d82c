"""The files of a corpus: a folder, a bucket, an archive or a single file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from kakeai.corpus.archives import Member, UnreadableError, is_music, members, refused
from kakeai.corpus.sizes import MAX_MIDI_BYTES, too_large
from kakeai.errors import KakeaiError
from kakeai.storage import download_object, list_objects, location, read_object

if TYPE_CHECKING:
    from cloudpathlib import GSPath


class CorpusFile(NamedTuple):
    """A file as it is listed, not yet read.

    Attributes:
        path: Relative to the corpus.
        size: In bytes; 0 for a local file, whose size its content tells.
        generation: Of an object in a bucket; 0 for a local file.
        md5: In hex, where a bucket tells it; else empty.
    """

    path: str
    size: int = 0
    generation: int = 0
    md5: str = ""


class Corpus:
    """A place with music.

    Attributes:
        name: The last part of its path, which names the collection.
        is_local: Whether it lies on this machine.
    """

    def __init__(self, address: str, max_midi_bytes: int = MAX_MIDI_BYTES) -> None:
        """Find it; nothing is listed yet.

        Args:
            address: Local path, or gs:// address.
            max_midi_bytes: The most that is read of a MIDI file.

        Raises:
            KakeaiError: It cannot be named so.
        """
        self._address = address
        self._max_midi_bytes = max_midi_bytes
        self._root = location(address)
        self.is_local = isinstance(self._root, Path)
        self.name = self._root.name or Path(address).resolve().name
        self._is_file = isinstance(self._root, Path) and self._root.is_file()

    def __str__(self) -> str:
        """Return an address that leads there from everywhere on this machine."""
        return str(self._root.absolute() if isinstance(self._root, Path) else self._root)

    def files(self) -> list[CorpusFile]:
        """List the music and the archives, sorted by path; no hidden files. A bucket is asked once.

        Raises:
            KakeaiError: There is no such place.
        """
        if isinstance(self._root, Path):
            names = [self.name] if self._is_file else _walk(str(self._root))
            found = [CorpusFile(name) for name in sorted(filter(is_music, names))]
            exists = self._root.exists()
        else:
            found, exists = [], False
            for stored in list_objects(self._root):
                exists = True
                if is_music(path := _path_of(stored.name, self._root)):
                    found.append(CorpusFile(path, stored.bytes, stored.generation, stored.md5))
        if not exists:
            raise KakeaiError(
                f"there is no {self._address}; a corpus is a folder with MIDI files, an archive, or a gs:// address"
            )
        return found

    def too_large(self, path: str, size: int) -> str:
        """Return why a file of so many bytes is not read; empty if it is."""
        return too_large(path, size, self._max_midi_bytes)

    def read(self, path: str, generation: int = 0) -> bytes:
        """Return a file's content.

        Raises:
            UnreadableError: It cannot be read, or is too large.
            KakeaiError: It is no longer there as it was listed, or the bucket fails.
        """
        try:
            if not isinstance(self._root, Path):
                return read_object(_object_at(path, self._root), generation)
            return self._read_local(path)
        except FileNotFoundError:
            raise self._changed(path) from None

    def members(self, path: str, generation: int = 0) -> Iterator[Member]:
        """Yield the music in an archive; one in a bucket is brought here for that time.

        An archive that cannot be opened is a member that cannot be read.

        Raises:
            KakeaiError: It is no longer there as it was listed, or the bucket fails.
        """
        try:
            with self._open(path, generation) as file:
                yield from members(path, file, os.fstat(file.fileno()).st_size, self._max_midi_bytes)
        except UnreadableError as error:
            yield refused(path, error)

    @contextmanager
    def _open(self, path: str, generation: int) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryDirectory(prefix="kakeai-") as folder, ExitStack() as opened:
            try:
                if isinstance(self._root, Path):
                    here = Path(self._local(path))
                else:
                    here = Path(folder, "archive")
                    download_object(_object_at(path, self._root), here, generation)
                try:
                    file = opened.enter_context(here.open("rb"))
                except FileNotFoundError:
                    raise
                except OSError as error:
                    raise UnreadableError(f"it cannot be read: {error.strerror}", 0) from None
            except FileNotFoundError:
                raise self._changed(path) from None
            yield file

    def _read_local(self, path: str) -> bytes:
        try:
            with open(self._local(path), "rb", buffering=0) as file:  # read in one go
                size = os.fstat(file.fileno()).st_size
                if reason := self.too_large(path, size):
                    raise UnreadableError(reason, size)
                return file.read()
        except FileNotFoundError:
            raise
        except OSError as error:
            size = os.stat(self._local(path)).st_size
            raise UnreadableError(f"it cannot be read: {error.strerror}", size) from None

    def _local(self, path: str) -> str:
        root = str(self._root)
        return root if self._is_file and path == self.name else os.path.join(root, path)

    def _changed(self, path: str) -> KakeaiError:
        return KakeaiError(
            f"{self._address}: {path} was changed or deleted while the corpus was read; run it again"
        )


def as_text(path: str) -> str:
    """Write the bytes of a path that is no UTF-8 as backslash and number: protos and people take only text."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _path_of(name: str, corpus: "GSPath") -> str:
    """Return an object's path in its corpus, which may be that object alone."""
    prefix = corpus.blob.rstrip("/")
    return corpus.name if name == prefix else name[len(prefix) :].lstrip("/")


def _object_at(path: str, corpus: "GSPath") -> "GSPath":
    """Return where the object with a path in the corpus lies; the inverse of `_path_of`."""
    return corpus if path == corpus.name else corpus / path


def _walk(root: str) -> Iterator[str]:
    """Yield the files under a folder by their paths in it; links to files count, links to folders do not."""
    folders = [(root, "")]
    while folders:
        folder, inside = folders.pop()
        try:
            entries = [*os.scandir(folder)]
        except OSError:  # one that may not be read
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, f"{inside}{entry.name}/"))
            elif entry.is_file():
                yield inside + entry.name
