"""A disk that is full or fails, as one sentence that names the folder."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from cloudpathlib import GSPath

# The file system refuses what is written: it is full, a quota or a limit is used up, or it is read-only.
_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_FAULTS = {*_REFUSALS, errno.EIO}


class DiskError(KakeaiError):
    """A disk of this machine that takes no more, or that fails."""


@contextmanager
def disk_errors(place: "Path | GSPath") -> Iterator[None]:
    """Name a file or folder if its disk refuses what the `with` block writes; a bucket has no such errors.

    Raises:
        DiskError: The disk is full, or cannot be written.
    """
    with _renamed_errors(f"cannot write {place}", "use another folder"):
        yield


@contextmanager
def temporary_disk_errors() -> Iterator[None]:
    """Do the same for what the `with` block writes to the folder of temporary files."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:  # none of those that Python tries takes a file
        raise DiskError(f"{error.strerror}: free some space or set TMPDIR to another folder") from None
    with _renamed_errors(f"cannot write temporary files to {folder}", "set TMPDIR to another folder"):
        yield


@contextmanager
def _renamed_errors(what: str, way_out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise DiskError(f"{what}: {_words(error)}; free some space there or {way_out}") from None


def as_disk_error(error: OSError) -> DiskError | None:
    """Return the sentence for an error that no `disk_errors` has caught; None where a disk is not its cause."""
    if error.errno not in _FAULTS:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return DiskError(f"{place}a disk of this machine cannot be used: {_words(error)}")


def _words(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
