"""A model's folder on a disk: a version is written aside and renamed into its place."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.storage import write_whole
from kakeai.store.layout import CARD, GRAPH, PRUNED, is_version
from kakeai.store.shelf import Sources, overtaken

if TYPE_CHECKING:
    from cloudpathlib import GSPath

UNDER_WAY, TAKEN_AWAY = ".release-", ".gone-"  # beginnings of names


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
        """Return a version's files."""
        folder = self._folder / str(version)
        return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}

    def add(self, files: Sources, card: dict[str, Any]) -> int:
        """Write the next version aside, rename it into its place, and tidy up."""
        self._folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=UNDER_WAY, dir=self._folder))
        try:
            aside.chmod(0o755)
            for name, source in files.items():
                _copy(source, aside / name)
            number = self._rename_into_place(aside, card)
        except FileNotFoundError:
            if aside.exists():
                raise
            raise overtaken(self._folder) from None
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        self.tidy()
        return number

    def remove(self, version: int, card: bytes) -> None:
        """Rename the version away, so that it goes at once, and delete it."""
        write_whole(self._folder / PRUNED / f"{version}.json", card)
        self._take_away(self._folder / str(version))

    def tidy(self) -> None:
        """Delete what has the name of a release or a removal under way."""
        for child in self._children():
            if child.name.startswith((UNDER_WAY, TAKEN_AWAY)):
                self._take_away(child)

    def _rename_into_place(self, aside: Path, card: dict[str, Any]) -> int:
        taken = [int(child.name) for child in self._children() if is_version(child.name)]
        number = max(taken, default=0) + 1
        while True:
            write_whole(aside / CARD, json.dumps({**card, "version": number}, indent=1).encode())
            if max(self.versions(), default=0) != (card["parent"] or 0):
                shutil.rmtree(aside)
                raise overtaken(self._folder)
            try:
                os.rename(aside, self._folder / str(number))
                return number
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                number += 1

    def _take_away(self, folder: Path) -> None:
        # Whoever still writes into it finds it gone, rather than half gone.
        gone = Path(tempfile.mkdtemp(prefix=TAKEN_AWAY, dir=self._folder))
        with suppress(FileNotFoundError):  # another one was faster
            os.rename(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _children(self) -> Iterator[Path]:
        return self._folder.iterdir() if self._folder.is_dir() else iter(())


def _copy(source: "Path | GSPath", to: Path) -> None:
    write_whole(to, source.read_bytes())
