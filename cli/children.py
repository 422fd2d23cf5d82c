"""The processes that a command starts, watches and stops."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cli.progress import console
from cli.tensorflow_notes import is_note
from kakeai.errors import KakeaiError

POLL_SECONDS = 0.1
STOP_SECONDS = 15.0

Children = dict[str, subprocess.Popen[str]]  # by the names that messages give them


@contextmanager
def child(module: str, arguments: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m MODULE` for the time of the `with` block; its standard error appears on the screen.

    Args:
        module: What Python runs.
        arguments: Its command line.
        settings: Environment variables, besides those of this process.
    """
    # In a session of its own: Ctrl-C reaches only this process, which then stops its children in order.
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",  # TensorFlow may log any bytes
        start_new_session=True,
    )
    shown = threading.Thread(target=_show, args=(process,), daemon=True)
    shown.start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shown.join(STOP_SECONDS)  # the child's last lines come before those of this process


def must_run(children: Children) -> None:
    """Check that every process runs. Raises KakeaiError naming one that ended."""
    for name, process in children.items():
        if process.poll() is not None:
            raise KakeaiError(f"the {name} ended with status {process.returncode}; the lines above say why")


def watch(children: Children) -> None:
    """Return at Ctrl-C. Raises KakeaiError when a process ends before that."""
    try:
        while True:
            must_run(children)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        console.print("\nstopping")


def _show(process: subprocess.Popen[str]) -> None:
    """Print what a process logs, up to the end: a full pipe would stop the process."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            # Rich raises SystemExit where the screen is a pipe that nobody reads any more.
            with suppress(Exception, SystemExit):
                if not is_note(line.encode()):
                    console.print(line.rstrip(), style="dim", markup=False, soft_wrap=True)
