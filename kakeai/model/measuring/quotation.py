"""The longest passage that a melody shares with others, in any key."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PITCHES = 128


class Quotation(NamedTuple):
    """A passage that is found elsewhere: the same intervals from note to note, in the same rhythm.

    Attributes:
        notes: How many notes it has; 0 where not even two are shared.
        source: Index of a melody that has it too.
        begin: Notes of the melody before it.
    """

    notes: int
    source: int
    begin: int = 0


def longest_quotations(melodies: Sequence[np.ndarray], sources: Sequence[np.ndarray]) -> list[Quotation]:
    """Return, for each melody, the longest passage that any of `sources` has too.

    Rhythm is the distance from one note's beginning to the next one's; how long they are held does not count.

    Args:
        melodies: int8 [steps] each.
        sources: int8 [steps] each.
    """
    quotations = [Quotation(0, 0)] * len(melodies)
    moves, melody_of = _moves([*melodies, *sources])
    _, moves = np.unique(moves, return_inverse=True)
    is_source = melody_of >= len(melodies)
    ends = np.searchsorted(melody_of, melody_of, side="right")
    first = np.searchsorted(melody_of, np.arange(len(melodies)))

    # Rows of one move more in each round. Rows have one key if they are equal; only those that are found on
    # both sides go on to the next round, so that the rounds become short.
    begins, keys, length = np.arange(len(moves)), np.zeros(len(moves), np.int64), 0
    while len(begins):
        length += 1
        fits = begins + length <= ends[begins]
        begins, keys = begins[fits], keys[fits]
        _, keys = np.unique(
            keys * (moves.max(initial=0) + 1) + moves[begins + length - 1], return_inverse=True
        )
        there = is_source[begins]
        shared = np.isin(keys, np.intersect1d(keys[there], keys[~there]))
        begins, keys, there = begins[shared], keys[shared], there[shared]
        source_of = np.zeros(keys.max(initial=0) + 1, np.int64)
        source_of[keys[there]] = melody_of[begins[there]] - len(melodies)
        for begin, key in zip(begins[~there], keys[~there], strict=True):
            melody = melody_of[begin]
            quotations[melody] = Quotation(length + 1, int(source_of[key]), int(begin - first[melody]))
    return quotations


def _moves(melodies: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    # From each note to the next of its melody, how far in pitch and in steps, as one number; and whose it is.
    moves, melody_of = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for i, melody in enumerate(melodies):
        onsets = np.flatnonzero(melody >= 0)
        intervals = np.diff(melody[onsets].astype(np.int64))
        moves.append(np.diff(onsets) * 2 * PITCHES + intervals + PITCHES)
        melody_of.append(np.full(len(intervals), i))
    return np.concatenate(moves), np.concatenate(melody_of)
