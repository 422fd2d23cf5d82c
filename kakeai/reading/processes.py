"""Processes that read files, so that every core reads and a file that kills its reader kills nothing else.

Each is a bare interpreter at the other end of a socket (`kakeai.reading.reader`). It ends when the socket does,
when a batch takes too long, and when it would need too much memory; whoever waits for it then sees the socket closed.
"""

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from kakeai.errors import KakeaiError
from kakeai.extras import require
from kakeai.reading.formats import FileReading, FileToRead
from kakeai.reading.reader import OUT_OF_MEMORY

SECONDS_PER_BATCH = 60  # for a single file, too, before its reader is ended
MEMORY_BYTES = 2 * 2**30  # of data that a reader may hold
BATCHES_AHEAD = 2  # read or being read for each process, before the first of them is asked for
_SECONDS_TO_EXIT = 10
_PACKAGES = str(Path(__file__).parents[2])  # where the packages lie that a reader imports from this project
# glibc: keep the memory of one batch's arrays for the next one's; to be given new memory costs a fifth of the reading.
_MEMORY_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**27)}

_Note = TypeVar("_Note")


class ReadingProcesses:
    """A context in which files are read; its processes end with it."""

    def __init__(
        self,
        num_processes: int,
        seconds_per_batch: int = SECONDS_PER_BATCH,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """Start no process yet. Raises MissingExtraError without note-seq, which reads MusicXML and ABC."""
        require("note_seq", "reading a corpus", "pipeline")
        self._num_processes = num_processes
        self._limits = _Limits(seconds_per_batch, memory_bytes)
        self._threads = ThreadPoolExecutor(num_processes)  # each waits for a process of its own
        self._idle: list[_Process] = []
        self._starts: list[_Start] = []
        self._is_open = True
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Start the processes; another one is started where one has ended over a file."""
        self._idle = self._start(self._num_processes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes, whatever they are doing."""
        with self._lock:
            self._is_open = False
            for start in self._starts:
                start.end()
        self._threads.shutdown(cancel_futures=True)
        for start in self._starts:
            start.close()

    def read(
        self, batches: Iterable[tuple[Sequence[FileToRead], _Note]], collection: str
    ) -> Iterator[tuple[list[FileReading], _Note]]:
        """Read batches of a collection's files, each with a note for the caller; they come back in the order they went.

        A file that kills its reader comes back with a complaint. Batches are taken as there is room for them.

        Raises:
            KakeaiError: This machine cannot read files: its disk is full, say.
        """
        waiting = deque()
        for files, note in batches:
            waiting.append((self._threads.submit(self._read, files, collection), note))
            if len(waiting) > BATCHES_AHEAD * self._num_processes:
                reading, note = waiting.popleft()
                yield reading.result(), note
        while waiting:
            reading, note = waiting.popleft()
            yield reading.result(), note

    def _read(
        self, files: Sequence[FileToRead], collection: str, *, again: bool = False
    ) -> list[FileReading]:
        if not files:
            return []
        with self._lock:
            process = self._idle.pop() if self._idle else self._start(1)[0]
        readings = process.read(files, collection)
        if readings is not None:
            with self._lock:
                self._idle.append(process)
            return readings
        how = process.how_it_ended()
        if len(files) == 1 and again:
            return [FileReading([], [f"reading it failed: {how}"], lasting=False)]
        middle = len(files) // 2  # the file at fault is found by halves
        return self._read(files[:middle], collection, again=True) + self._read(
            files[middle:], collection, again=True
        )

    def _start(self, number: int) -> "list[_Process]":
        if not self._is_open:
            raise KakeaiError("reading was stopped")
        start = _Start(number, self._limits)
        self._starts.append(start)
        return [*start.processes]


class _Limits(NamedTuple):
    """What a process may take."""

    seconds_per_batch: int
    memory_bytes: int


class _Start:
    """Processes that were started together, and the one that waits for them.

    Attributes:
        processes: Those that read.
    """

    def __init__(self, number: int, limits: _Limits) -> None:
        """Start so many."""
        report, theirs = os.pipe()
        pairs = [socket.socketpair() for _ in range(number)]
        self.processes = [_Process(ours, self, there.fileno(), limits) for ours, there in pairs]
        self._report = os.fdopen(report, "rb", buffering=0)
        self._statuses: dict[int, int] = {}
        self._lock = Lock()
        given = [theirs, *limits, *(there.fileno() for _, there in pairs)]
        self._parent = subprocess.Popen(
            # Where packages lie is known, so `site`, a fifth of the start, can be left out.
            [sys.executable, "-S", "-P", "-m", "kakeai.reading.reader", *map(str, given)],
            pass_fds=[theirs, *(there.fileno() for _, there in pairs)],
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                **_MEMORY_SETTINGS,
                "PYTHONPATH": os.pathsep.join([_PACKAGES, *sys.path]),
                "OPENBLAS_NUM_THREADS": "1",
            },
            process_group=0,  # Ctrl-C reaches this process alone, which then ends the others
        )
        os.close(theirs)
        for _, there in pairs:
            there.close()

    def exit_status(self, process: int) -> int:
        """Return how a process ended, below 0 for a signal; waits for its end, and after ten seconds forces it."""
        with self._lock:
            while process not in self._statuses:
                if not select.select([self._report], [], [], _SECONDS_TO_EXIT)[0]:
                    self.end()
                line = self._report.readline()
                if not line:  # nobody is left to tell
                    return -signal.SIGKILL
                ended, status = map(int, line.split())
                self._statuses[ended] = status
            return self._statuses[process]

    def end(self) -> None:
        """Make all of them end, whatever they are doing."""
        for process in self.processes:
            process.hang_up()
        self._parent.terminate()

    def close(self) -> None:
        """Wait for their end, when nobody reads any more."""
        self._parent.wait()
        self._report.close()
        for process in self.processes:
            process.close()


class _Process:
    """One of the processes, as seen from ours."""

    def __init__(self, ours: socket.socket, start: _Start, number: int, limits: _Limits) -> None:
        """Of these that were started, the one at the other end of `ours`; there it has this number."""
        self._socket, self._stream = ours, ours.makefile("rwb")
        self._start, self._number, self._limits = start, number, limits

    def read(self, files: Sequence[FileToRead], collection: str) -> list[FileReading] | None:
        """Read files; None if the process died over them.

        Raises:
            KakeaiError: This machine cannot read files: its disk is full, say.
        """
        try:
            pickle.dump((files, collection), self._stream)
            self._stream.flush()
            answer = pickle.load(self._stream)
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        if isinstance(answer, KakeaiError):
            raise answer
        return answer

    def how_it_ended(self) -> str:
        """Return in words why the process ended."""
        status = self._start.exit_status(self._number)
        if status == -signal.SIGALRM:
            return f"it takes more than {self._limits.seconds_per_batch} s"
        if status == OUT_OF_MEMORY:
            return f"it takes more than {self._limits.memory_bytes >> 20} MiB of memory"
        return f"the process that read it ended ({signal.Signals(-status).name if status < 0 else status})"

    def hang_up(self) -> None:
        """End what is said, in both directions."""
        with suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Forget the socket."""
        with suppress(OSError):  # what it was not sent any more
            self._stream.close()
        self._socket.close()
