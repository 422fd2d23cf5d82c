"""A model's folder on a disk: a version is staged aside and renamed into its place.

A release claims a folder `.release-*` with a lock in it (`kakeai.store.locks`), and stages its version beside the lock.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.errors import KakeaiError
from kakeai.storage import write_whole
from kakeai.store.layout import CARD, GRAPH, PRUNED, is_version
from kakeai.store.locks import lock
from kakeai.store.shelf import Sources, gone, overtaken, removed

if TYPE_CHECKING:
    from cloudpathlib import GSPath

UNDER_WAY, TAKEN_AWAY = ".release-", ".gone-"  # beginnings of names
LOCK, STAGED = "lock", "version"  # in the folder of a release under way


class DiskShelf:
    """A model's folder; see `kakeai.store.shelf.Shelf`."""

    def __init__(self, folder: Path) -> None:
        """The folder need not be there yet."""
        self._folder = folder

    def versions(self) -> list[int]:
        """Return the versions that are whole."""
        children = self._children()
        return sorted(
            int(each.name) for each in children if is_version(each.name) and (each / GRAPH).is_file()
        )

    def read(self, name: str) -> bytes | None:
        """Return a file's content."""
        try:
            return (self._folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def files(self, version: int) -> Sources:
        """Return a version's files; none if it is taken away meanwhile."""
        folder = self._folder / str(version)
        try:
            return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        except FileNotFoundError:
            return {}

    def add(self, files: Sources, card: dict[str, Any]) -> int:
        """Stage the next version, rename it into its place, and tidy up."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._claim() as claim:
            try:
                sizes = _stage(files, claim / STAGED)
                number = self._commit(claim / STAGED, sizes, card)
            except FileNotFoundError:
                if claim.exists():
                    raise
                raise self._lost(card) from None
        with suppress(OSError):  # else the next release does it
            self.tidy()
        return number

    def remove(self, version: int, card: bytes) -> None:
        """Rename the version away, so that it goes at once, and delete it."""
        (self._folder / PRUNED).mkdir(exist_ok=True)
        write_whole(self._folder / PRUNED / f"{version}.json", card)
        self._take_away(self._folder / str(version))

    def tidy(self) -> None:
        """Delete the folders of dead releases, and what removals left."""
        for child in list(self._children()):
            if child.name.startswith(TAKEN_AWAY):
                self._take_away(child)
            elif child.name.startswith(UNDER_WAY):
                self._clear(child)

    @contextmanager
    def _claim(self) -> Iterator[Path]:
        claim, held = self._locked_folder()
        try:
            yield claim
        finally:  # after a commit the lock is left in it, otherwise what was staged as well
            with suppress(OSError):  # else the next release does it
                self._take_away(claim, held)

    def _locked_folder(self) -> tuple[Path, int]:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=UNDER_WAY, dir=self._folder))
            try:
                folder.chmod(0o755)
                held = lock(folder / LOCK)
            except FileNotFoundError:  # before it was locked it looked dead, and was cleared away
                continue
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            if held is not None:
                return folder, held

    def _commit(self, staged: Path, sizes: dict[str, int], card: dict[str, Any]) -> int:
        taken = [int(child.name) for child in self._children() if is_version(child.name)]
        number = max(taken, default=0) + 1
        while True:
            sizes[CARD] = _write(staged / CARD, json.dumps({**card, "version": number}, indent=1).encode())
            if self._newest() != (card["parent"] or 0):
                raise overtaken(self._folder)
            if _sizes(staged) != sizes:
                raise self._lost(card)
            try:
                os.rename(staged, self._folder / str(number))
                return number
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                number += 1

    def _lost(self, card: dict[str, Any]) -> KakeaiError:
        if self._newest() != (card["parent"] or 0):
            return overtaken(self._folder)
        return removed(
            self._folder, "a person or an older Kakeai did that; this one leaves releases under way alone"
        )

    def _clear(self, claim: Path) -> None:
        with suppress(FileNotFoundError, PermissionError):  # it ended just now, or it is another user's
            if (held := lock(claim / LOCK)) is not None:
                self._take_away(claim, held)

    def _take_away(self, folder: Path, held: int | None = None) -> None:
        # Renamed first, so that what reads or writes in it finds it gone, rather than half gone.
        try:
            away = Path(tempfile.mkdtemp(prefix=TAKEN_AWAY, dir=self._folder))
            with suppress(FileNotFoundError):  # another one was faster
                os.rename(folder, away)
        finally:
            if held is not None:
                os.close(held)  # before it is deleted, since NFS keeps files that are open
        shutil.rmtree(away, ignore_errors=True)

    def _newest(self) -> int:
        return max(self.versions(), default=0)

    def _children(self) -> Iterator[Path]:
        return self._folder.iterdir() if self._folder.is_dir() else iter(())


def _stage(files: Sources, folder: Path) -> dict[str, int]:
    # Folders are made here and nowhere later: if one is taken away, writing into it is an error.
    folder.mkdir()
    for parent in sorted({parent for name in (*files, CARD) for parent in Path(name).parents} - {Path()}):
        (folder / parent).mkdir()
    return {name: _write(folder / name, _content(source)) for name, source in files.items()}


def _content(source: "Path | GSPath") -> bytes:
    try:
        return source.read_bytes()
    except FileNotFoundError:
        raise gone(source) from None


def _write(path: Path, content: bytes) -> int:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return len(content)


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
