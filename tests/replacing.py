"""Replaces an output folder time and again, each in a process of its own that is killed a step later.

replacing.py FOLDER: FOLDER/1, FOLDER/2 … are left as `kill -9` left them before the first, second … time that the
replacement touched the disk; the last is of a replacement that ended.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from kakeai.outputs import StageFiles, check_output, replaced_folder

FILES = StageFiles("stage", "marker.json", ("part-*", "inner"))
TOUCHES = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.scandir", "os.listdir"}


def replace(output: Path, mark: str) -> None:
    check_output(output, FILES, [])
    with replaced_folder(output, FILES) as folder:
        (folder / "inner").mkdir()
        for name in ("marker.json", "part-1", "inner/part-2"):
            (folder / name).write_text(f"{name} {mark}")


def die_at(touch: int, place: Path) -> None:
    touches = count(1)

    def hook(event: str, arguments: tuple) -> None:
        # A tree is deleted by names relative to its folders, which are open.
        path = Path(place, str(arguments[0])) if event in TOUCHES else Path()
        if path.is_relative_to(place) and next(touches) == touch:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(folder: Path) -> None:
    for touch in count(1):
        place = folder / str(touch)
        replace(place / "output", "old")
        child = os.fork()
        if not child:
            die_at(touch, place)
            replace(place / "output", "new")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
