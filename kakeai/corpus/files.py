"""The files of a corpus: a folder, a bucket, an archive or a single file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from kakeai.corpus.archives import Member, UnreadableError, is_music, members, refused
from kakeai.corpus.local import LocalFiles
from kakeai.corpus.sizes import MAX_MIDI_BYTES, size_limit, too_large
from kakeai.disk import temporary_disk_errors
from kakeai.errors import KakeaiError
from kakeai.local_files import read_at_most
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

    def __init__(
        self, address: str, max_midi_bytes: int = MAX_MIDI_BYTES, *, follow_links: bool = False
    ) -> None:
        """Find it; nothing is listed yet.

        Args:
            address: Local path, or gs:// address.
            max_midi_bytes: The most that is read of a MIDI file.
            follow_links: Whether links in a folder are followed that lead out of it.

        Raises:
            KakeaiError: It cannot be named so.
        """
        self._address = address
        self._max_midi_bytes = max_midi_bytes
        root = location(address)
        self._root = LocalFiles(root, follow_links=follow_links) if isinstance(root, Path) else root
        self.is_local = isinstance(root, Path)
        self.name = root.name or Path(address).resolve().name

    def __str__(self) -> str:
        """Return an address that leads there from everywhere on this machine."""
        return str(self._root)

    def files(self) -> list[CorpusFile]:
        """List the music and the archives, sorted by path; no hidden files. A bucket is asked once.

        Links and folders that cannot be read are listed as well, so that their reason is known.

        Raises:
            KakeaiError: There is no such place, or it cannot be listed.
        """
        found, exists = [], False
        if isinstance(self._root, LocalFiles):
            try:
                found, exists = [CorpusFile(path) for path in sorted(self._root.paths())], True
            except FileNotFoundError:
                pass
            except OSError as error:
                raise KakeaiError(f"{self._address} cannot be read: {error.strerror}") from None
        else:
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
            if isinstance(self._root, LocalFiles):
                return self._read_local(path, self._root)
            return read_object(_object_at(path, self._root), generation)
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
        with ExitStack() as opened:
            try:
                if isinstance(self._root, LocalFiles):
                    file = os.fdopen(self._root.open(path), "rb")
                else:
                    file = opened.enter_context(_downloaded(_object_at(path, self._root), generation))
            except FileNotFoundError:
                raise self._changed(path) from None
            yield opened.enter_context(file)

    def _read_local(self, path: str, files: LocalFiles) -> bytes:
        file = files.open(path)
        try:
            size = os.fstat(file).st_size
            if not (reason := self.too_large(path, size)):
                content = read_at_most(file, size_limit(path, self._max_midi_bytes))
                size = len(content)
                if not (reason := self.too_large(path, size)):  # else it has grown
                    return content
            raise UnreadableError(reason, size)
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror}", 0) from None
        finally:
            os.close(file)

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


@contextmanager
def _downloaded(path: "GSPath", generation: int) -> Iterator[IO[bytes]]:
    """Yield an object as an open file on this machine."""
    with ExitStack() as opened:
        with temporary_disk_errors():
            archive = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-")), "archive")
            download_object(path, archive, generation)
        yield opened.enter_context(archive.open("rb"))
