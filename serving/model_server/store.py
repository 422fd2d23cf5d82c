"""A model's folder in a model store: its numbered versions, on this machine or in a bucket."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudpathlib import AnyPath, CloudPath

from kakeai.errors import KakeaiError

Folder = Path | CloudPath

GRAPHS = ("saved_model.pb", "saved_model.pbtxt")
PATTERN = re.compile(
    r"[\\*?[]"
)  # TensorFlow looks for a checkpoint by file patterns, in which these have a meaning
HIGHEST_VERSION = 2**63 - 1  # a version is an int64 in model.proto


def find_versions(base_path: str | Path | CloudPath) -> dict[int, Folder]:
    """The version folders under `base_path`: named with a whole number, and with a graph in them.

    Others are left alone. In a bucket the graph comes last and goes first, so that a version is whole while it has one;
    a folder without one is what a killed upload left, and no reason to serve nothing.

    Raises KakeaiError if the folder is not there or cannot be listed.
    """
    try:
        base = AnyPath(base_path)
        if isinstance(base, Path):
            folders = [child for child in base.iterdir() if any((child / name).is_file() for name in GRAPHS)]
        else:  # all names, by one request for a thousand
            folders = [path.parent for path in base.rglob("saved_model.pb*") if path.name in GRAPHS]
            folders = [folder for folder in folders if folder.parent == base]
    except FileNotFoundError as error:
        raise KakeaiError(f"The model's folder {base_path} does not exist.") from error
    except NotADirectoryError as error:
        raise KakeaiError(f"The model's folder {base_path} is a file, not a folder.") from error
    except Exception as error:  # the storage client has dozens of ways to say that a bucket cannot be listed
        raise KakeaiError(f"The model's folder {base_path} cannot be listed: {error}") from error
    folders.sort(key=lambda folder: folder.name)
    return {int(folder.name): folder for folder in folders if _is_version(folder.name)}


def contents(folder: Folder) -> frozenset[tuple[str, int, float]]:
    """Path, size in bytes and time of change of each file: differs once a copy into the folder goes on."""
    stats = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return frozenset((str(path), stat.st_size, stat.st_mtime) for path, stat in stats)


@contextmanager
def on_this_machine(folder: Folder) -> Iterator[Path]:
    """The folder itself; a copy of one in a bucket, or a link to one whose path TensorFlow takes for a pattern.

    Copy and link are removed afterwards.
    """
    if isinstance(folder, Path) and not PATTERN.search(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-version-") as aside:
        if isinstance(folder, Path):
            link = Path(aside, folder.name)
            link.symlink_to(folder.absolute(), target_is_directory=True)
            yield link
        else:
            yield folder.download_to(aside)


def _is_version(name: str) -> bool:
    return (
        name.isascii()
        and name.isdigit()
        and len(name) <= len(str(HIGHEST_VERSION))
        and int(name) <= HIGHEST_VERSION
    )
