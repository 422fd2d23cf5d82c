"""Files on this machine: read with a bound, and never something that only looks like a file."""

import os
import stat
from pathlib import Path

_CHUNK_BYTES = 2**20
# Without NONBLOCK, opening a FIFO waits for a writer; NOCTTY keeps a terminal from taking over this process.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NoFileError(OSError):
    """A folder, FIFO, socket or device where a file is expected."""


def open_file(path: str, *, follow_links: bool = True) -> int:
    """Return the descriptor of a regular file that is open for reading.

    Args:
        path: Where it is.
        follow_links: Whether `path` itself may be a link.

    Raises:
        NoFileError: It is no regular file.
        OSError: It cannot be opened; ELOOP for a link that is not followed, or one that leads in a circle.
    """
    file = os.open(path, _FLAGS | (0 if follow_links else os.O_NOFOLLOW))
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise NoFileError(f"{path} is no file")


def read_at_most(file: int, limit: int) -> bytes:
    """Return the content of an open file from its start, but no more than `limit` + 1 bytes.

    The file's size is only a hint: a file can grow, and those of /proc have size 0. More than `limit` bytes mean
    that the file is too large.
    """
    content = os.read(file, min(os.fstat(file).st_size, limit) + 1)
    while len(content) <= limit and (more := os.read(file, min(_CHUNK_BYTES, limit + 1 - len(content)))):
        content += more
    return content


def read_file(path: Path, limit: int) -> bytes:
    """Return a file's content, but no more than `limit` + 1 bytes, as `read_at_most` does.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    file = open_file(str(path))
    try:
        return read_at_most(file, limit)
    finally:
        os.close(file)
