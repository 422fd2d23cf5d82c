"""Processes that read files: in order, bounded, and expendable."""

import os
import resource
import signal
from pathlib import Path

import pytest

from kakeai.errors import KakeaiError
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from kakeai.reading.formats import FileToRead, read_files
from kakeai.reading.processes import BATCHES_AHEAD, ReadingProcesses


def file(number):
    notes = [(60 + number % 12, 90, 0.0, 0.5 + number)]
    return FileToRead(f"{number}.mid", write_midi([Track("", make_notes(notes))]))


FILES = [file(number) for number in range(40)]
EXPECTED = read_files(FILES, "c")
SLOW = FileToRead("slow.abc", b"X:1\nK:C\n" + b"CDEF GABc|\n" * 400_000)


def readers():
    """Process ids of those that read for us, and of those that wait for them."""
    found, parents = [], {os.getpid()}
    while parents:
        parents = {process for parent in parents for process in children(parent)}
        found += parents
    return found


def children(parent):
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            is_child = int(status.read_text().rpartition(")")[2].split()[1]) == parent
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if is_child and b"kakeai.reading.reader" in command:
            yield int(status.parent.name)


def batches_of(size):
    return [(FILES[first : first + size], first) for first in range(0, len(FILES), size)]


@pytest.mark.parametrize("num_processes", [1, 3])
def test_batches_come_back_in_order(num_processes):
    with ReadingProcesses(num_processes) as processes:
        read = list(processes.read(batches_of(7), "c"))
    assert [first for _, first in read] == [0, 7, 14, 21, 28, 35]
    assert [reading for readings, _ in read for reading in readings] == EXPECTED
    assert readers() == []


def test_few_batches_are_taken_before_the_first_is_asked_for():
    taken = []
    with ReadingProcesses(2) as processes:
        read = processes.read((taken.append(batch) or batch for batch in batches_of(1)), "c")
        next(read)
        assert len(taken) == BATCHES_AHEAD * 2 + 1
        assert len(readers()) == 1 + 2  # the one that waits, and those that read


@pytest.mark.parametrize("spared", [children, lambda _: ()], ids=["who-waits", "nobody"])
def test_a_killed_process_loses_no_file(spared):
    def killing():
        for batch in batches_of(10):
            for process in {*readers()} - {*spared(os.getpid())}:
                os.kill(process, signal.SIGKILL)
            yield batch

    with ReadingProcesses(2) as processes:
        read = [reading for readings, _ in processes.read(killing(), "c") for reading in readings]
    assert read == EXPECTED


def test_a_file_that_takes_too_long_or_too_much_is_rejected_alone():
    big = FileToRead(
        "big.mid", write_midi([Track("", make_notes([(60, 90, 0.0, 1.0)]))]) + bytes(100 * 2**20)
    )
    slow_batch = [FILES[0], SLOW]
    with ReadingProcesses(1, seconds_per_batch=1) as processes:
        ((readings, _),) = processes.read([(slow_batch, None)], "c")
    assert readings[0] == EXPECTED[0]
    assert readings[1].complaints == ["reading it failed: it takes more than 1 s"]
    with ReadingProcesses(1, memory_bytes=100 * 2**20) as processes:
        ((readings, _),) = processes.read([([FILES[0], big, FILES[1]], None)], "c")
    assert [readings[0], readings[2]] == EXPECTED[:2]
    assert readings[1].complaints == ["reading it failed: it takes more than 100 MiB of memory"]


def test_what_keeps_the_machine_from_reading_is_said_and_rejects_no_file():
    """Here a reader that may open no file, so that it cannot import note-seq."""
    score = FileToRead("score.xml", b"<score-partwise/>")
    with ReadingProcesses(1) as processes:
        assert list(processes.read([([FILES[0]], 0)], "c")) == [([EXPECTED[0]], 0)]
        for process in readers():
            _, most = resource.prlimit(process, resource.RLIMIT_NOFILE)
            resource.prlimit(process, resource.RLIMIT_NOFILE, (0, most))
        with pytest.raises(KakeaiError, match=r"files cannot be read on this machine: .*Too many open files"):
            list(processes.read([([FILES[1], score], 1)], "c"))
    assert readers() == []


def test_an_error_in_the_caller_ends_the_processes():
    def read_until_an_error():
        with ReadingProcesses(2) as processes:
            next(processes.read(batches_of(1), "c"))
            assert readers()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        read_until_an_error()
    assert readers() == []
