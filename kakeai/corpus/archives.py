"""What lies in the archives of a corpus, read from front to back.

Nothing is unpacked to disk, so an archive's paths lead nowhere, and one file at a time is held in memory.
"""

import bz2
import errno
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, cast

from kakeai.corpus.sizes import MAX_FILE_BYTES, MIDI_SUFFIXES, size_limit, too_large
from kakeai.errors import KakeaiError

MUSIC_SUFFIXES = (*MIDI_SUFFIXES, ".xml", ".musicxml", ".mxl", ".abc")
ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
ARCHIVE_SUFFIXES = ZIP_SUFFIXES + TAR_SUFFIXES

MAX_ARCHIVE_MEMBERS = 250_000  # the Lakh MIDI data set has 178,561
MAX_ARCHIVE_BYTES = 16 * 2**30  # unpacked

_HEADER_BYTES = 512  # of each member of a tar file
# Of a tar file with its extended headers, which are slow to parse: so much, and so much more for each member
_HEADERS_BYTES, _HEADERS_BYTES_A_MEMBER = 2**20, 2048
# A record of a zip file's central directory (APPNOTE 4.3.12): this much, and name, extra field and comment behind it
_RECORD_MARK, _RECORD_BYTES = b"PK\1\2", 46
_RECORD_LENGTHS, _RECORD_LENGTHS_AT = struct.Struct("<3H"), 28
_DIRECTORY_BYTES = 256 * MAX_ARCHIVE_MEMBERS  # room for names of 200 characters

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
class Member:
    """What an archive holds.

    Attributes:
        path: The archive's, and its own in it.
        size: In bytes, as the archive claims.
        read: Gives the content; raises UnreadableError. To be called before the next member is asked for.
    """

    path: str
    size: int
    read: Callable[[], bytes]


def is_music(path: str) -> bool:
    """Return whether a path is that of a score or an archive, and not hidden."""
    return path.lower().endswith(MUSIC_SUFFIXES + ARCHIVE_SUFFIXES) and not is_hidden(path)


def is_hidden(path: str) -> bool:
    """Return whether a path is hidden, or lies in a hidden folder."""
    # Hidden are also the resource forks that a Mac leaves in every archive: __MACOSX/._tune.mid
    return any(part == "__MACOSX" or (part[:1] == "." and part.strip(".") != "") for part in path.split("/"))


def is_archive(path: str) -> bool:
    """Return whether a path is that of an archive."""
    return path.lower().endswith(ARCHIVE_SUFFIXES)


def members(archive: str, file: IO[bytes], size: int, max_midi_bytes: int) -> Iterator[Member]:
    """Yield the music in an archive; what cannot be read of it comes last, as a member that cannot be read.

    Args:
        archive: Its path; the suffix tells its kind.
        file: Its content; only a zip archive is read elsewhere than from front to back.
        size: Its bytes.
        max_midi_bytes: The most that is read of a MIDI file in it.
    """
    found = _zip_members if archive.lower().endswith(ZIP_SUFFIXES) else _tar_members
    unpacked = 0
    with ExitStack() as opened:
        try:
            for count, (path, claimed, content) in enumerate(found(file, archive, opened, max_midi_bytes)):
                unpacked += claimed + _HEADER_BYTES
                if count >= MAX_ARCHIVE_MEMBERS:
                    raise UnreadableError(
                        f"more than {MAX_ARCHIVE_MEMBERS:,} members: the rest is left out", size
                    )
                if unpacked > MAX_ARCHIVE_BYTES:
                    raise UnreadableError(
                        f"it unpacks to over {MAX_ARCHIVE_BYTES >> 30} GiB: the rest is left out", size
                    )
                if is_music(path):
                    yield Member(
                        f"{archive}/{path}", claimed, _Content(path, claimed, content, max_midi_bytes)
                    )
        except UnreadableError as error:
            yield refused(archive, UnreadableError(str(error), size))
        except _DAMAGED as error:
            yield refused(archive, UnreadableError(_why(error, "the archive is damaged"), size))


def _why(error: Exception, damaged: str) -> str:
    """Return a reason; `damaged` goes before the error of a content, but not before that of a disk or a network."""
    # zipfile goes to places before the start of a file where an archive says so; that is EINVAL.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return f"it cannot be read: {error.strerror}"
    return f"{damaged}: {str(error) or type(error).__name__}"


def refused(path: str, error: UnreadableError) -> Member:
    """Return a member that cannot be read."""

    def refuse() -> bytes:
        raise error

    return Member(path, error.size, refuse)


@dataclass(frozen=True)
class _Content:
    """The bytes of a member, once nothing speaks against them."""

    path: str
    size: int
    open: Callable[[], IO[bytes]]
    max_midi_bytes: int

    def __call__(self) -> bytes:
        if self.path.startswith("/") or ".." in self.path.split("/"):
            raise UnreadableError("its path leads out of the archive", self.size)
        if is_archive(self.path):
            raise UnreadableError("an archive inside an archive; unpack it first", self.size)
        self._refuse_if_too_large(self.size)
        try:
            with self.open() as file:
                content = file.read(size_limit(self.path, self.max_midi_bytes) + 1)
        except _DAMAGED as error:
            raise UnreadableError(_why(error, "the archive is damaged here"), self.size) from None
        self._refuse_if_too_large(len(content))  # the archive may have lied
        return content

    def _refuse_if_too_large(self, size: int) -> None:
        if reason := too_large(self.path, size, self.max_midi_bytes):
            raise UnreadableError(reason, size)


_Found = Iterator[tuple[str, int, Callable[[], IO[bytes]]]]  # path, size and content


def _zip_members(file: IO[bytes], _: str, opened: ExitStack, max_midi_bytes: int) -> _Found:
    most = max(_DIRECTORY_BYTES, MAX_FILE_BYTES + 1, max_midi_bytes + 1)
    archive = opened.enter_context(zipfile.ZipFile(cast(IO[bytes], _CountedRecords(file, most))))
    for info in archive.infolist():
        yield info.filename, info.file_size, lambda info=info: archive.open(info)


def _tar_members(file: IO[bytes], name: str, opened: ExitStack, max_midi_bytes: int) -> _Found:
    packing = {"gz": gzip.open, "xz": lzma.open, "z2": bz2.open}.get(name.lower()[-2:])
    plain = opened.enter_context(cast(IO[bytes], packing(file))) if packing else file
    most = max(MAX_FILE_BYTES, max_midi_bytes) + 1
    reads = _CountedHeaders(plain, most)
    archive = opened.enter_context(tarfile.TarFile(fileobj=cast(IO[bytes], reads)))
    while (info := archive.next()) is not None:
        path = info.name if info.isreg() else ""  # a folder, a link, a device
        reads.in_headers = False
        yield path, info.size, lambda info=info: cast(IO[bytes], archive.extractfile(info))
        reads.in_headers = True
        reads.left += _HEADERS_BYTES_A_MEMBER
        archive.members.clear()  # type: ignore[attr-defined]  else it remembers each, a kilobyte a file


class _ShortReads:
    """A file for tarfile and zipfile, which read a header or a directory at once, as long as the archive says."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most = file, most
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        if size > self.most:
            raise ValueError(f"a part of {size:,} bytes")
        return self.file.read(size)


class _CountedHeaders(_ShortReads):
    """A file for tarfile, which reads any number of extended headers before it comes to a member."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        super().__init__(file, most)
        self.in_headers, self.left = True, _HEADERS_BYTES

    def read(self, size: int = -1) -> bytes:
        if self.in_headers:
            self.left -= size
            if self.left < 0:
                raise ValueError("its headers are too long")
        return super().read(size)


class _CountedRecords(_ShortReads):
    """A file for zipfile, which makes an object of each record of a directory before they can be counted.

    The records are counted, since zipfile does not use the number that the archive claims.
    """

    def read(self, size: int = -1) -> bytes:
        content = super().read(size)
        at = count = 0
        while at + _RECORD_BYTES <= len(content) and content.startswith(_RECORD_MARK, at):
            at += _RECORD_BYTES + sum(_RECORD_LENGTHS.unpack_from(content, at + _RECORD_LENGTHS_AT))
            count += 1
            if count > MAX_ARCHIVE_MEMBERS:
                raise UnreadableError(f"more than {MAX_ARCHIVE_MEMBERS:,} members: split the archive", 0)
        return content
