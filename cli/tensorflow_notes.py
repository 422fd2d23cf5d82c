"""TensorFlow's notes about the processor, kept from the screen.

Its C++ writes them to standard error before it looks at any setting, so that only a filter keeps them away. What else
is written there comes through, line by line.
"""

import atexit
import os
import re
import signal
import sys
import time

NOTE = re.compile(
    rb"I0000 |WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
    rb"|E0000 .*(oneDNN supports|Unable to register cu\w+ factory)"
)
END_SECONDS, POLL_SECONDS = 1.0, 0.002


def is_note(line: bytes) -> bool:
    """Return whether a line of standard error is one of them."""
    return NOTE.match(line) is not None


def keep_notes_away() -> None:
    """From now on file descriptor 2 goes through a filter; Python's own `sys.stderr` stays the screen itself.

    The filter is a process, so that it outlives a crash and still tells of it.
    """
    screen = os.dup(2)
    taken, given = os.pipe()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(given)
        _filter(taken, screen)
    os.close(taken)
    os.dup2(given, 2)
    os.close(given)
    sys.stderr = os.fdopen(
        os.dup(screen), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
    )
    atexit.register(_end, child, screen)


def _filter(taken: int, screen: int) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # it ends when the last one that writes does
    try:
        os.dup2(screen, 2)
        os.close(1)  # whoever waits for the end of our output does not wait for the filter
        with open(taken, "rb") as lines:
            for line in iter(lines.readline, b""):
                if not is_note(line):
                    os.write(screen, line)
    finally:
        os._exit(0)


def _end(child: int, screen: int) -> None:
    os.dup2(screen, 2)
    patience = time.monotonic() + END_SECONDS  # something that we started may still hold on to it
    while time.monotonic() < patience and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(POLL_SECONDS)
