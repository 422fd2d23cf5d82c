"""Local folders and gs:// buckets as one path type, and files that appear whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from cloudpathlib import CloudPath


def location(text: str) -> "Path | CloudPath":
    """Return the local path or the bucket's path that `text` names.

    Raises:
        KakeaiError: A bucket that cannot be named so, or one for which there are no credentials.
    """
    if ":" not in text:
        return Path(text).expanduser()
    from cloudpathlib import AnyPath  # loads the storage client, a fifth of a second

    try:
        path = AnyPath(text)
    except Exception as error:  # cloudpathlib and the storage client each raise kinds of their own
        raise KakeaiError(f"cannot open {text}: {error}") from None
    return path.expanduser() if isinstance(path, Path) else path  # type: ignore[return-value]


def write_whole(path: "Path | CloudPath", content: bytes) -> None:
    """Write a file that is there whole or not at all; folders above it are made."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # a bucket's object appears with its last byte
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        try:
            aside.write(content)
            aside.flush()
            os.fsync(aside.fileno())
            os.chmod(aside.name, 0o644)
            os.replace(aside.name, path)
        except BaseException:
            os.unlink(aside.name)
            raise


def replace_folder(finished: Path, destination: Path) -> None:
    """Put the folder `finished` in the place of `destination`, which may exist; both on one file system."""
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    os.replace(finished, destination)
