"""Changes a store in a folder time and again, each in a process of its own that is killed a step later.

changing.py FOLDER ACTION: FOLDER/1, FOLDER/2 … are left as `kill -9` left them before the first, second … time that the
change touched the store; the last is of a change that ended.
"""

import os
import signal
import sys
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
        child = os.fork()
        if not child:
            touches = count(1)

            def die(touches: count = touches, touch: int = touch) -> None:
                if next(touches) == touch:
                    os.kill(os.getpid(), signal.SIGKILL)

            with before_each_touch(store / "tiny", die):
                change(store)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
