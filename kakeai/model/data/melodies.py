"""Serialised NoteSequences → the stretches of their tracks, on one core or on several."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from kakeai.model.data.scores import read_pieces
from kakeai.music.extraction import Extraction, Stretch, extract_melodies

_BATCHES_AHEAD = 2  # for each process: one at work, one waiting; more would only fill memory


class Extracted(NamedTuple):
    """What a stored NoteSequence holds.

    Attributes:
        filename: The file that it is from.
        stretches: Of its tracks, melodies and others, in Magenta's order.
    """

    filename: str
    stretches: list[Stretch]


def extract_from(records: Sequence[bytes], rules: Extraction) -> list[Extracted]:
    """Parse serialised NoteSequences, and take each apart.

    Raises:
        ValueError: A record is no NoteSequence.
    """
    return [
        Extracted(piece.filename, list(extract_melodies(piece.score, rules)))
        for piece in read_pieces(records)
    ]


def extract_all(
    batches: Iterable[Sequence[bytes]], rules: Extraction, processes: int
) -> Iterator[list[Extracted]]:
    """Yield the results of `extract_from` for each batch in turn; several processes change nothing but the time.

    Args:
        batches: Serialised NoteSequences; few are read ahead.
        rules: What counts as a melody.
        processes: How many share the work; 1 for this one alone.

    Raises:
        ValueError: A record is no NoteSequence.
    """
    extract = partial(extract_from, rules=rules)
    if processes == 1:
        yield from map(extract, batches)
        return
    # Forking is no option: the screen's progress bar is drawn by a thread.
    context = multiprocessing.get_context("spawn")
    at_work: deque[Future[list[Extracted]]] = deque()
    with ProcessPoolExecutor(processes, context, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            for batch in batches:
                at_work.append(pool.submit(extract, batch))
                if len(at_work) >= processes * _BATCHES_AHEAD:
                    yield at_work.popleft().result()
            while at_work:
                yield at_work.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
