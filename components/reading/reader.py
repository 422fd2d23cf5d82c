"""A process that reads files and is expendable: see `components.reading.processes`, which starts it.

It imports little, since it starts with every run, and anew for every file that ends it.
"""

import os
import pickle
import resource
import signal
import sys

from components.reading.formats import read_files

OUT_OF_MEMORY = 3  # exit status


def main() -> None:
    """Read what comes through the socket of this number, until nothing more does."""
    socket_number, seconds_per_batch, memory_bytes = map(int, sys.argv[1:])
    os.dup2(2, 1)  # whatever a parser prints is no business of the command's output
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes if most < 0 else min(memory_bytes, most), most))
    with open(socket_number, "rb", closefd=False) as batches, open(socket_number, "wb") as read:
        try:
            while True:
                files, collection = pickle.load(batches)
                signal.alarm(seconds_per_batch)  # ends this process
                readings = read_files(files, collection)
                signal.alarm(0)
                pickle.dump(readings, read)
                read.flush()
        except (EOFError, BrokenPipeError):  # nobody is there any more
            return
        except MemoryError:
            sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
