"""Processes that read files, so that every core reads and a file that kills its reader kills nothing else.

Each is a bare interpreter at the other end of a socket. It ends when the socket does, when a batch takes too
long, and when it would need too much memory; whoever waits for it then sees the socket closed.
"""

import os
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from components.file_reading import FileReading, FileToRead, read_files
from kakeai.errors import KakeaiError

SECONDS_PER_BATCH = 60  # for a single file, too, before its reader is ended
MEMORY_BYTES = 2 * 2**30  # of data that a reader may hold
BATCHES_AHEAD = 2  # read or being read for each process, before the first of them is asked for
_OUT_OF_MEMORY = 3  # exit status

_Note = TypeVar("_Note")


class ReadingProcesses:
    """A context in which files are read; its processes end with it."""

    def __init__(self, collection: str, num_processes: int) -> None:
        """Start no process yet: one is started when a batch comes and all others are busy."""
        self._collection = collection
        self._num_processes = num_processes
        self._threads = ThreadPoolExecutor(num_processes)  # each waits for a process of its own
        self._idle: list[_Process] = []
        self._all: list[_Process] = []
        self._is_open = True
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Open the context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes, whatever they are doing."""
        with self._lock:
            self._is_open = False
            for process in self._all:
                process.end()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.close()

    def read(
        self, batches: Iterable[tuple[Sequence[FileToRead], _Note]]
    ) -> Iterator[tuple[list[FileReading], _Note]]:
        """Read batches of files, each with a note for the caller; they come back in the order they went.

        A file whose reader dies comes back with a complaint. Batches are taken as there is room for them.
        """
        waiting = deque()
        for files, note in batches:
            waiting.append((self._threads.submit(self._read, files), note))
            if len(waiting) > BATCHES_AHEAD * self._num_processes:
                reading, note = waiting.popleft()
                yield reading.result(), note
        while waiting:
            reading, note = waiting.popleft()
            yield reading.result(), note

    def _read(self, files: Sequence[FileToRead]) -> list[FileReading]:
        if not files:
            return []
        process = self._take()
        readings = process.read(files, self._collection)
        if readings is not None:
            with self._lock:
                self._idle.append(process)
            return readings
        how = process.end()
        if len(files) > 1:  # which one was it?
            return [reading for file in files for reading in self._read([file])]
        return [FileReading([], [f"reading it failed: {how}"])]

    def _take(self) -> "_Process":
        with self._lock:
            if not self._is_open:
                raise KakeaiError("reading was stopped")
            if self._idle:
                return self._idle.pop()
            process = _Process()
            self._all.append(process)
            return process


class _Process:
    """One of the processes, as seen from ours."""

    def __init__(self) -> None:
        """Start it."""
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "components.reading_processes", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # Ctrl-C reaches this process alone, which then ends the others
            )

    def read(self, files: Sequence[FileToRead], collection: str) -> list[FileReading] | None:
        """Read files; None if the process died over them."""
        try:
            self._connection.send((files, collection))
            return self._connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """End the process, if it still runs, and say how it ended."""
        self._process.kill()
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return f"it takes more than {SECONDS_PER_BATCH} s"
        if status == _OUT_OF_MEMORY:
            return f"it takes more than {MEMORY_BYTES >> 30} GiB of memory"
        return f"the process that read it ended ({signal.Signals(-status).name if status < 0 else status})"

    def close(self) -> None:
        """Let go of it; nobody may be reading."""
        self.end()
        self._connection.close()


def main() -> None:
    """Read what comes, until nothing more does."""
    connection = Connection(int(sys.argv[1]))
    os.dup2(2, 1)  # whatever a parser prints is no business of the command's output
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    while True:
        try:
            files, collection = connection.recv()
        except EOFError:
            return
        signal.alarm(SECONDS_PER_BATCH)  # ends this process
        try:
            readings = read_files(files, collection)
        except MemoryError:
            sys.exit(_OUT_OF_MEMORY)
        signal.alarm(0)
        try:
            connection.send(readings)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
