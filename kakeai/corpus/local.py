"""A corpus on this machine: which files a folder has, and how each is opened.

A link counts as what it leads to, if that lies in the corpus. A link that leads out of it is not followed, since the
corpus may come from somebody else: it is listed, and cannot be read. `follow_links` follows it.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kakeai.corpus.archives import UnreadableError, is_hidden, is_music
from kakeai.local_files import NoFileError, open_file


class LocalFiles:
    """The music in a folder, or a single file."""

    def __init__(self, root: Path, *, follow_links: bool) -> None:
        """Find the place; nothing is listed yet.

        Args:
            root: Folder or file.
            follow_links: Whether links are followed that lead out of the folder.
        """
        self._address = root.absolute()
        self._root = os.path.realpath(root)
        self._is_file = os.path.isfile(self._root)
        self._name = root.name
        self._follow_links = follow_links

    def __str__(self) -> str:
        """Return an address that leads there from everywhere on this machine."""
        return str(self._address)

    def paths(self) -> Iterator[str]:
        """Yield the paths of music and archives, and of links and folders that cannot be read, in no order.

        Each folder is walked once: under its own path if that lies in the corpus, else under the first of its links.

        Raises:
            OSError: The folder itself cannot be listed.
        """
        if self._is_file:
            yield from filter(is_music, [self._name])
            return
        os.scandir(self._root).close()
        walked: set[tuple[int, int]] = set()
        links: list[str] = []
        yield from self._walk("", walked, links)
        while links:
            found, links = sorted(links), []
            for link in found:
                yield from self._linked(link, walked, links)

    def open(self, path: str) -> int:
        """Return the descriptor of a file that `paths` lists, open for reading.

        Raises:
            UnreadableError: It cannot be opened, is no regular file, or is a link that is not followed.
            FileNotFoundError: It is no longer there.
        """
        place = self._at(path)
        try:
            try:
                return open_file(place, follow_links=False)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
            return open_file(self._target(place), follow_links=False)
        except NoFileError:
            raise UnreadableError("it is no file, but a folder, a pipe or a device", 0) from None
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableError(f"it cannot be read: {error.strerror}", 0) from None

    def _walk(self, inside: str, walked: set[tuple[int, int]], links: list[str]) -> Iterator[str]:
        """Yield the music in a folder and those below it; collect the links. `inside` ends with a slash or is empty."""
        folders = [inside]
        while folders:
            inside = folders.pop()
            place = self._at(inside)
            try:
                status = os.stat(place)
                entries = [*os.scandir(place)]
            except OSError:
                yield inside.rstrip("/")  # reading it gives the reason
                continue
            if (status.st_dev, status.st_ino) in walked:
                continue
            walked.add((status.st_dev, status.st_ino))
            for entry in entries:
                path = inside + entry.name
                if entry.is_symlink():
                    links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    if not is_hidden(entry.name):
                        folders.append(f"{path}/")
                elif is_music(path) and entry.is_file(follow_symlinks=False):
                    yield path

    def _linked(self, link: str, walked: set[tuple[int, int]], links: list[str]) -> Iterator[str]:
        """Yield what a link adds: a file, the files of a folder, or the link itself where it cannot be followed."""
        if is_hidden(link):
            return
        place = self._at(link)
        try:
            is_folder = stat.S_ISDIR(os.stat(place).st_mode)
        except OSError:  # it leads nowhere or in a circle; without a suffix it may have led to a folder
            if is_music(link) or not os.path.splitext(link)[1]:
                yield link
            return
        if not is_folder:
            yield from filter(is_music, [link])
        elif self._follow_links or self._holds(os.path.realpath(place)):
            yield from self._walk(f"{link}/", walked, links)
        else:
            yield link

    def _target(self, link: str) -> str:
        """Return the real path of what a link leads to.

        Raises:
            UnreadableError: It leads nowhere, in a circle, or out of the corpus.
        """
        try:
            target = os.path.realpath(link, strict=True)
        except OSError as error:
            where = {errno.ELOOP: "in a circle", errno.ENOENT: "nowhere"}.get(error.errno or 0)
            if where is None:
                raise
            raise UnreadableError(f"it is a link that leads {where}", 0) from None
        if not self._follow_links and not self._holds(target):
            raise UnreadableError("it is a link that leads out of the corpus; --follow-links follows it", 0)
        return target

    def _holds(self, target: str) -> bool:
        return os.path.commonpath([self._root, target]) == self._root

    def _at(self, path: str) -> str:
        return self._root if self._is_file else os.path.join(self._root, path)
