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
from pathlib import Path


def lock(path: Path) -> int | None:
    """Make a file if it is not there, and lock it until its descriptor is closed.

    Returns:
        The descriptor; None if another one holds the lock.

    Raises:
        FileNotFoundError: Its folder is not there, or was taken away before the file was locked.
        OSError: The file cannot be opened, or the disk has no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(path)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise OSError(error.errno, error.strerror, str(path)) from None
    return file
