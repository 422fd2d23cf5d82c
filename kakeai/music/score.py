"""A piece of music as columns of numbers: notes, tempos, metres and keys, in seconds."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

MIN_PITCH = 0
MAX_PITCH = 127
MAX_VELOCITY = 127
IMPLICIT_METRE = (4, 4)  # where a file names none, as in note-seq
IMPLICIT_QPM = 120.0
# No tune lasts a day: such a file is damaged, and would cost later stages their memory.
MAX_SECONDS = 24 * 3600.0

NOTE = np.dtype(
    [
        ("pitch", "i2"),
        ("velocity", "i2"),
        ("start", "f8"),  # seconds
        ("end", "f8"),  # seconds
        ("instrument", "i4"),
        ("program", "i2"),
        ("is_drum", "?"),
    ]
)
TEMPO = np.dtype([("time", "f8"), ("qpm", "f8")])  # seconds; quarter notes a minute
TIME_SIGNATURE = np.dtype([("time", "f8"), ("numerator", "i2"), ("denominator", "i2")])
KEY_SIGNATURE = np.dtype(
    [
        ("time", "f8"),
        ("key", "i2"),  # 0..11 from C
        ("mode", "i2"),  # 0 major, 1 minor
    ]
)


@dataclass(frozen=True)
class Score:
    """One piece: columns of this module's dtypes, in note-seq's order. All times in seconds."""

    notes: np.ndarray  # NOTE, by instrument, then in the order in which the notes end
    tempos: np.ndarray  # TEMPO
    time_signatures: np.ndarray  # TIME_SIGNATURE
    key_signatures: np.ndarray  # KEY_SIGNATURE
    total_time: float
    ticks_per_quarter: int


def make_notes(rows: Iterable[tuple[int, int, float, float]]) -> np.ndarray:
    """Notes (NOTE) from rows of pitch, velocity, start and end in seconds."""
    return np.array([(*row, 0, 0, False) for row in rows], dtype=NOTE)
