"""Processes that read files and are expendable: see `kakeai.reading.processes`, which starts them.

`python -m kakeai.reading.reader REPORT SECONDS BYTES SOCKET…` imports what reading needs, which takes longest, and
then splits into a reader for each socket and one process that waits for them. That one writes a line to REPORT for
each reader that has ended: its socket, and its exit status. At SIGTERM it ends them all.
"""

import os
import pickle
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from kakeai.disk import as_disk_error
from kakeai.errors import KakeaiError
from kakeai.reading.formats import FileReading, FileToRead, read_files

OUT_OF_MEMORY = 3  # exit status


def main() -> None:
    """Start the readers and wait until all have ended."""
    report, seconds_per_batch, memory_bytes, *sockets = map(int, sys.argv[1:])
    os.dup2(2, 1)  # whatever a parser prints is no business of the command's output
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes if most < 0 else min(memory_bytes, most), most))
    readers: dict[int, int] = {}  # process id → socket

    def end_all(*_: object) -> None:
        for process in readers:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end_all)
    for socket in sockets:
        process = os.fork()  # safe, since there is one thread
        if not process:
            os._exit(_serve(socket, [report, *sockets], seconds_per_batch))
        readers[process] = socket
    _close(sockets)
    with open(report, "w") as lines:
        while readers:
            process, status = os.wait()
            print(readers.pop(process), os.waitstatus_to_exitcode(status), file=lines, flush=True)


def _serve(socket: int, inherited: Sequence[int], seconds_per_batch: int) -> int:
    """Read what comes through a socket, until nothing more does; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _close(set(inherited) - {socket})
    with open(socket, "rb", closefd=False) as batches, open(socket, "wb") as read:
        try:
            while True:
                files, collection = pickle.load(batches)
                signal.alarm(seconds_per_batch)  # ends this process
                answer = _answer(files, collection)
                signal.alarm(0)
                pickle.dump(answer, read)
                read.flush()
        except (EOFError, OSError):  # nobody is there any more
            return 0
        except MemoryError:
            return OUT_OF_MEMORY


def _answer(files: Sequence[FileToRead], collection: str) -> list[FileReading] | KakeaiError:
    """Return what came out of the files, or what keeps this machine from reading any."""
    try:
        return read_files(files, collection)
    except KakeaiError as error:
        return error
    except OSError as error:
        return as_disk_error(error) or KakeaiError(f"files cannot be read on this machine: {error}")


def _close(files: Sequence[int] | set[int]) -> None:
    for file in files:
        os.close(file)


if __name__ == "__main__":
    main()
