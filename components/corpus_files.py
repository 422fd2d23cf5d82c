"""The files of a corpus: a folder or a bucket, and what lies in its archives.

Nothing is unpacked to disk, so an archive's paths lead nowhere, and one file at a time is held in memory.
"""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from cloudpathlib import CloudPath

from kakeai.errors import KakeaiError
from kakeai.storage import location

MUSIC_SUFFIXES = (".mid", ".midi", ".xml", ".musicxml", ".mxl", ".abc")
ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
ARCHIVE_SUFFIXES = ZIP_SUFFIXES + TAR_SUFFIXES

MAX_FILE_BYTES = 16 * 2**20  # ten times the largest score known to us
MAX_ARCHIVE_MEMBERS = 250_000  # the Lakh MIDI data set has 178,561
MAX_ARCHIVE_BYTES = 16 * 2**30  # unpacked

_HEADER_BYTES = 512  # of each member of a tar file

_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError,
    NotImplementedError, ValueError, OverflowError,
)  # fmt: skip


class UnreadableError(KakeaiError):
    """A file of the corpus, or a whole archive, that cannot be read.

    Attributes:
        size: Its bytes, as far as they are known.
    """

    def __init__(self, reason: str, size: int) -> None:
        """Say why, and how large the file is."""
        super().__init__(reason)
        self.size = size


@dataclass(frozen=True)
class CorpusFile:
    """One file.

    Attributes:
        path: Relative to the corpus; a member's path follows its archive's.
        read: Gives the bytes; raises UnreadableError, or KakeaiError where a bucket fails.
    """

    path: str
    read: Callable[[], bytes]


def corpus_name(corpus: str) -> str:
    """Return the last part of the corpus's path, which names the collection."""
    return location(corpus).name or Path(corpus).resolve().name


def corpus_files(corpus: str, archives: ExitStack) -> list[CorpusFile]:
    """List the music in a folder, a bucket, an archive or a single file, sorted by path; no hidden files.

    Members of an archive keep their order in it, so that it is read from front to back. An archive that
    cannot be opened is listed as a file that cannot be read.

    Args:
        corpus: Local path, or gs:// address.
        archives: Keeps them open until the caller is done with the files.

    Raises:
        KakeaiError: There is no such place.
    """
    root = location(corpus)
    with _bucket_errors(root):
        if root.is_file():
            found = {root.name: root}
        elif root.is_dir():
            found = {str(path)[len(str(root)) :].strip("/"): path for path in root.rglob("*")}
        else:
            raise KakeaiError(
                f"there is no {corpus}; a corpus is a folder with MIDI files, an archive, or a gs:// address"
            )
    files = []
    for name, path in sorted(found.items()):
        if _is_music(name) and (isinstance(path, CloudPath) or path.is_file()):
            files += _files(name, path, archives)
    return [replace(file, path=_as_text(file.path)) for file in files]


def _as_text(path: str) -> str:
    """Write the bytes of a path that is no UTF-8 as backslash and number: protos and JSON take only text."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _is_music(path: str) -> bool:
    # Hidden are also the resource forks that a Mac leaves in every archive: __MACOSX/._tune.mid
    hidden = any(part == "__MACOSX" or (part[:1] == "." and part.strip(".")) for part in path.split("/"))
    return not hidden and path.lower().endswith(MUSIC_SUFFIXES + ARCHIVE_SUFFIXES)


def _is_archive(path: str) -> bool:
    return path.lower().endswith(ARCHIVE_SUFFIXES)


@contextmanager
def _bucket_errors(path: Path | CloudPath) -> Iterator[None]:
    """Turn what the storage client raises into one sentence; a local path's errors pass."""
    try:
        yield
    except Exception as error:
        if isinstance(path, Path) or isinstance(error, KakeaiError):
            raise
        raise KakeaiError(f"cannot read {path}: {error}") from None


def _files(name: str, path: Path | CloudPath, archives: ExitStack) -> Iterator[CorpusFile]:
    """One file, or the music in an archive."""
    if not _is_archive(name):
        yield CorpusFile(name, lambda: _read_file(path))
        return
    with _bucket_errors(path):
        size = path.stat().st_size
        file = archives.enter_context(cast(IO[bytes], path.open("rb")))
    members = _zip_members if name.lower().endswith(ZIP_SUFFIXES) else _tar_members
    unpacked = 0
    try:
        for count, member in enumerate(members(file, name, archives)):
            unpacked += member.size + _HEADER_BYTES
            if count >= MAX_ARCHIVE_MEMBERS:
                raise UnreadableError(
                    f"more than {MAX_ARCHIVE_MEMBERS:,} members: the rest is left out", size
                )
            if unpacked > MAX_ARCHIVE_BYTES:
                raise UnreadableError(
                    f"it unpacks to over {MAX_ARCHIVE_BYTES >> 30} GiB: the rest is left out", size
                )
            if _is_music(member.path):
                yield CorpusFile(f"{name}/{member.path}", member.content)
    except UnreadableError as error:
        yield CorpusFile(name, _refusal(error))
    except _DAMAGED as error:
        yield CorpusFile(name, _refusal(UnreadableError(f"the archive is damaged: {error}", size)))


def _refusal(error: UnreadableError) -> Callable[[], bytes]:
    def refuse() -> bytes:
        raise error

    return refuse


def _read_file(path: Path | CloudPath) -> bytes:
    size = 0
    with _bucket_errors(path):
        try:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise _too_large(size)
            return path.read_bytes()
        except OSError as error:
            if isinstance(path, CloudPath):
                raise
            raise UnreadableError(f"it cannot be read: {error.strerror}", size) from None


def _too_large(size: int) -> UnreadableError:
    return UnreadableError(f"{size:,} bytes are too many for a score; the limit is {MAX_FILE_BYTES:,}", size)


@dataclass(frozen=True)
class _Member:
    """What an archive holds: path and size, as the archive claims, and the way to the bytes."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]

    def content(self) -> bytes:
        """The bytes, once nothing speaks against them."""
        if self.path.startswith("/") or ".." in self.path.split("/"):
            raise UnreadableError("its path leads out of the archive", self.size)
        if _is_archive(self.path):
            raise UnreadableError("an archive inside an archive; unpack it first", self.size)
        if self.size > MAX_FILE_BYTES:
            raise _too_large(self.size)
        try:
            with self.open() as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except _DAMAGED as error:
            reason = f"the archive is damaged here: {error or type(error).__name__}"
            raise UnreadableError(reason, self.size) from None
        if len(content) > MAX_FILE_BYTES:  # the archive lied
            raise _too_large(len(content))
        return content


def _zip_members(file: IO[bytes], _: str, archives: ExitStack) -> Iterator[_Member]:
    archive = archives.enter_context(zipfile.ZipFile(file))
    for info in archive.infolist():
        yield _Member(info.filename, info.file_size, lambda info=info: archive.open(info))


def _tar_members(file: IO[bytes], name: str, archives: ExitStack) -> Iterator[_Member]:
    packing = {"gz": gzip.open, "xz": lzma.open, "z2": bz2.open}.get(name.lower()[-2:])
    plain = archives.enter_context(cast(IO[bytes], packing(file))) if packing else file
    archive = archives.enter_context(tarfile.TarFile(fileobj=cast(IO[bytes], _ShortReads(plain))))
    for info in archive:
        name = info.name if info.isreg() else ""  # a folder, a link, a device
        yield _Member(name, info.size, lambda info=info: cast(IO[bytes], archive.extractfile(info)))


class _ShortReads:
    """A file for tarfile, which would read a header of many gigabytes at once if an archive said so."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int) -> bytes:
        if size > MAX_FILE_BYTES + 1:
            raise tarfile.ReadError(f"a part of {size:,} bytes")
        return self.file.read(size)
