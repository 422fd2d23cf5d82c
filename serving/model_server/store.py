"""A model's folder in a model store: its numbered versions, on this machine or in a bucket."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudpathlib import AnyPath, CloudPath

from kakeai.errors import KakeaiError

Folder = Path | CloudPath

HIGHEST_VERSION = 2**63 - 1  # a version is an int64 in model.proto


def find_versions(base_path: str | Path | CloudPath) -> dict[int, Folder]:
    """The version folders under `base_path`: children named with a whole number; others are left alone.

    Raises KakeaiError if the folder is not there or cannot be listed.
    """
    try:
        base = AnyPath(base_path)
        children = sorted(base.iterdir(), key=lambda child: child.name)
    except FileNotFoundError as error:
        raise KakeaiError(f"The model's folder {base_path} does not exist.") from error
    except NotADirectoryError as error:
        raise KakeaiError(f"The model's folder {base_path} is a file, not a folder.") from error
    except Exception as error:  # the storage client has dozens of ways to say that a bucket cannot be listed
        raise KakeaiError(f"The model's folder {base_path} cannot be listed: {error}") from error
    return {int(child.name): child for child in children if _is_version(child)}


def contents(folder: Folder) -> frozenset[tuple[str, int, float]]:
    """Path, size in bytes and time of change of each file: differs once a copy into the folder goes on."""
    stats = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return frozenset((str(path), stat.st_size, stat.st_mtime) for path, stat in stats)


@contextmanager
def on_this_machine(folder: Folder) -> Iterator[Path]:
    """The folder itself, or for one in a bucket a whole copy that is gone again afterwards."""
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-version-") as copy:
        yield folder.download_to(copy)


def _is_version(child: Folder) -> bool:
    number = child.name
    return (
        number.isascii()
        and number.isdigit()
        and len(number) <= len(str(HIGHEST_VERSION))
        and int(number) <= HIGHEST_VERSION
        # In a bucket a name without a folder behind it is rarer than the request that would tell it is worth.
        and (isinstance(child, CloudPath) or child.is_dir())
    )
