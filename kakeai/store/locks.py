"""File locks, which tell a living release from a dead one on a disk.

A release holds the lock of a file of its own. The kernel frees a lock when its process ends, `kill -9` included, so a
file that can be locked belongs to nobody any more.

What is assumed of the disk: every process that changes the store sees the lock (flock). That holds for local disks,
CephFS, SMB (since Linux 5.5) and NFS, where Linux locks the bytes of the file instead and therefore needs it open for
writing; an NFS server frees the locks of a machine that died once its lease ends, 90 s as a rule. It does not hold
for NFS mounted with `nolock` or `local_lock`, nor for a bucket mounted as a folder: change such a store from one
machine only.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def lock(path: Path, create: bool = False) -> int | None:
    """Lock a file until its descriptor is closed.

    Args:
        path: The file; only its lock matters.
        create: Whether it is made if it is not there.

    Returns:
        The descriptor; None if another one holds the lock, or if another user's file cannot be opened.

    Raises:
        FileNotFoundError: There is no such file, or it was deleted before it was locked.
        OSError: The disk has no locks.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o644)
    except PermissionError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(path)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise OSError(error.errno, error.strerror, str(path)) from None
    return file


def unlock(file: int) -> None:
    """Free a lock; the descriptor is closed."""
    with suppress(OSError):
        os.close(file)
