"""What touches a folder: something is called right before each time."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EVENTS = {
    "fcntl.flock",
    "open",
    "os.chmod",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
}

_watched: list[tuple[str, Callable[[], None]]] = []  # one at most
_hooked: list[bool] = []


@contextmanager
def before_each_touch(folder: Path, do: Callable[[], None]) -> Iterator[None]:
    """Call `do` before this process touches a folder or what lies in it; what `do` touches does not count."""
    if not _hooked:  # a hook stays for good
        sys.addaudithook(_hook)
        _hooked.append(True)
    _watched.append((str(folder), do))
    try:
        yield
    finally:
        _watched.clear()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in EVENTS and _where(arguments).startswith(_watched[0][0]):
        watched = _watched.pop()
        try:
            watched[1]()
        finally:
            _watched.append(watched)


def _where(arguments: tuple[Any, ...]) -> str:
    path, folder = arguments[0], arguments[-1]
    try:
        if isinstance(path, int):
            return os.readlink(f"/proc/self/fd/{path}")
        if isinstance(folder, int) and folder > 0 and not os.path.isabs(path):
            return f"{os.readlink(f'/proc/self/fd/{folder}')}/{path}"
    except OSError:
        return ""
    return str(path)
