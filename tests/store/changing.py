"""Changes a store in a folder time and again, each in a process of its own that is killed a step later.

changing.py FOLDER ACTION: FOLDER/1, FOLDER/2 … are left as `kill -9` left them before the first, second … time that the
change touched the store; the last is of a change that ended. A prune also finds what a killed release left.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from touches import before_each_touch

from kakeai import store as model_store


def files(folder: Path, mark: str) -> dict[str, Path]:
    names = (
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    )
    for name in names:
        (folder / mark / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / mark / name).write_text(f"{name} {mark}")
    return {name: folder / mark / name for name in names}


def publish(store: Path) -> None:
    model_store.publish(files(store.parent / "sources", "c"), {"bundle_sha256": "c"}, store, "tiny", 2)


def killed(change: Callable[[Path], object], store: Path, touch: int) -> bool:
    """Whether the change was killed, or ended before it touched the store so often."""
    child = os.fork()
    if not child:
        touches = count(1)

        def die() -> None:
            if next(touches) == touch:
                os.kill(os.getpid(), signal.SIGKILL)

        with before_each_touch(store / "tiny", die):
            change(store)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    exit_code = os.waitstatus_to_exitcode(status)
    if exit_code not in (0, -signal.SIGKILL):
        sys.exit(exit_code)
    return exit_code != 0


def main(folder: Path, action: str) -> None:
    change = {
        "publish": publish,
        "promote": lambda store: model_store.promote(store, "tiny", 1),
        "prune": lambda store: model_store.prune(store, "tiny", keep=1),
    }[action]
    for touch in count(1):
        store = folder / str(touch)
        for parent, mark in enumerate("ab"):
            model_store.publish(
                files(folder / "sources", mark), {"bundle_sha256": mark}, store, "tiny", parent
            )
        if action == "prune":  # which then has a dead release to clear away
            assert killed(publish, store, touch=20)
        if not killed(change, store, touch):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
