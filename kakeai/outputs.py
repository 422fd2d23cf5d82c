"""Folders that commands write: checked before any work begins, and replaced by rename.

A folder is replaced only where nothing can be lost: it is missing, empty, or holds only what the same stage writes.
"""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kakeai.disk import disk_errors
from kakeai.errors import KakeaiError
from kakeai.storage import location

if TYPE_CHECKING:
    from cloudpathlib import GSPath

# What each is called in a sentence, and where it is; buckets, empty texts and None are not compared.
Inputs = Iterable[tuple[str, "str | Path | GSPath | None"]]

_OPTION = "--output"  # of every stage that replaces a folder
_NEW, _OLD = "new", "old-"  # in the scratch folder: what is being written, and what it takes the place of


class StageFiles(NamedTuple):
    """What a stage writes into its output folder.

    Attributes:
        stage: Its command.
        marker: The file that shows that the stage wrote the folder.
        others: Patterns of the names of the rest.
    """

    stage: str
    marker: str
    others: tuple[str, ...]

    def check(self, folder: Path) -> None:
        """Refuse a folder that holds anything but these files.

        Raises:
            KakeaiError: There is something else in it, or the marker is missing.
        """
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        patterns = (self.marker, *self.others)
        strange = [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)]
        if names and (strange or self.marker not in names):
            raise KakeaiError(
                f"{_OPTION} {folder} holds {(strange or names)[0]}, which kakeai {self.stage} did not write; all of "
                "the folder would be deleted, so choose a new or an empty one"
            )


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be written into; nothing is made.

    Raises:
        KakeaiError: It is a file or lies in one, is a bucket's address, or may not be written.
    """
    if folder.parts[:1] == ("gs:",):
        raise KakeaiError(f"{option} must be a folder on this machine, not a gs:// address")
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise KakeaiError(
            f"{option} {folder} cannot be written: {there} is not a folder; choose another folder"
        )
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        raise KakeaiError(
            f"{option} {folder} cannot be written: no permission in {there}; choose another folder"
        )


def check_outside(folder: "Path | GSPath", option: str, inputs: Inputs) -> None:
    """Refuse a folder that is one of the inputs or lies in one.

    Args:
        folder: Where something will be written.
        option: What the user calls it.
        inputs: What is read.

    Raises:
        KakeaiError: It is one, or lies in one.
    """
    for name, place in _local(inputs):
        if isinstance(folder, Path) and _is_or_lies_in(folder, place):
            relation = "is" if _is_or_lies_in(place, folder) else "lies in"
            raise KakeaiError(f"{option} {folder} {relation} {name} {place}; choose another folder")


def check_output(output: Path, written: StageFiles, inputs: Inputs) -> None:
    """Refuse an output folder whose replacement could lose something; nothing is made.

    What a run that was killed between the two renames of `replaced_folder` had moved aside is put back first.

    Args:
        output: The folder that `replaced_folder` will replace.
        written: What the stage writes there.
        inputs: What the stage reads.

    Raises:
        KakeaiError: It is, holds or lies in an input or the current folder, holds what this stage did not write,
            or cannot be written.
    """
    inputs = list(inputs)
    check_folder(output, _OPTION)
    check_outside(output, _OPTION, inputs)
    for name, place in [*_local(inputs), ("the current folder", Path.cwd())]:
        if _is_or_lies_in(place, output):
            relation = "is" if _is_or_lies_in(output, place) else "holds"
            raise KakeaiError(
                f"{_OPTION} {output} {relation} {name} {place}, which would be deleted; choose another folder"
            )
    folder = _real(output)
    if os.path.ismount(folder):
        raise KakeaiError(
            f"{_OPTION} {output} is a mount point, which cannot be replaced; choose a folder in it"
        )
    check_folder(folder.parent, _OPTION)
    if not folder.exists() and folder.parent.is_dir():
        for scratch in folder.parent.iterdir():
            if scratch.name.startswith(_scratch(folder)):
                _put_back(scratch, folder)
    written.check(output)


@contextmanager
def replaced_folder(output: Path, written: StageFiles) -> Iterator[Path]:
    """Yield an empty folder, which takes the place of `output` if no error ends the `with` block.

    What lies beside it, in its parent, is scratch: it is on the same disk and is deleted in the end. A kill leaves the
    old folder or the new one; between two renames it leaves neither, and `check_output` puts the old one back.

    Args:
        output: As `check_output` has checked it. A link stays, and the folder that it leads to is replaced.
        written: What the stage writes there; checked once more, since the work may take hours.

    Raises:
        KakeaiError: There is something in it by now that this stage did not write.
    """
    output = _real(output)
    with disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=_scratch(output)) as scratch:
            new = Path(scratch, _NEW)
            new.mkdir()
            yield new
            try:
                _put_in_place(new, output, written)
            except BaseException:
                _put_back(Path(scratch), output)
                raise


def _put_in_place(new: Path, output: Path, written: StageFiles) -> None:
    for number in count():
        try:
            os.rename(new, output)  # where nothing is, or an empty folder
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        written.check(output)
        with suppress(FileNotFoundError):  # another run that writes there was faster
            os.rename(output, new.with_name(f"{_OLD}{number}"))


def _put_back(scratch: Path, output: Path) -> None:
    """Undo a replacement that stopped between its renames; once `new` is in place, `old` may be half deleted."""
    if (scratch / _NEW).exists() and not output.exists():
        for old in sorted(scratch.glob(f"{_OLD}*"))[-1:]:
            os.rename(old, output)


def _scratch(output: Path) -> str:
    return f".{output.name}.kakeai-"


def _local(inputs: Inputs) -> Iterator[tuple[str, Path]]:
    for name, place in inputs:
        path = location(place) if isinstance(place, str) and place else place
        if isinstance(path, Path):
            yield name, path


def _is_or_lies_in(inner: Path, outer: Path) -> bool:
    """Compare by path once links and `..` are followed, and by inode, for disks that ignore letter case."""
    real = _real(inner)
    places = [real, *real.parents]
    if _real(outer) in places:
        return True
    return os.path.exists(outer) and any(
        os.path.exists(place) and os.path.samefile(place, outer) for place in places
    )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
