"""How a melody sounds, in numbers."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from kakeai.music.melody import NO_EVENT, STEPS_PER_BAR


class Sound(NamedTuple):
    """How a stretch of music sounds.

    Attributes:
        pitch_range: Semitones from the lowest to the highest note.
        notes_per_bar: Notes in 16 steps.
        repetition: Share of the stretches of a bar's length that were played before, event for event, in the
            same piece. They may begin at any step, so that the metre does not matter; they count if a note
            begins in them, and repeat if the earlier one was over when they began.
        silence: Share of the steps at which nothing sounds.
    """

    pitch_range: float
    notes_per_bar: float
    repetition: float
    silence: float


def sound(melody: np.ndarray, begin: int = 0) -> Sound:
    """Return how the steps from `begin` on sound, when what came before has been heard.

    Args:
        melody: int8 [steps].
        begin: Less than its length.
    """
    heard = melody[begin:]
    pitches = heard[heard >= 0].astype(np.int64)
    steps = np.arange(len(melody))
    last = np.maximum.accumulate(np.where(melody != NO_EVENT, steps, -1))
    is_sounding = (last >= 0) & (melody[last] >= 0)
    return Sound(
        pitch_range=float(np.ptp(pitches)) if len(pitches) else 0.0,
        notes_per_bar=len(pitches) * STEPS_PER_BAR / len(heard),
        repetition=repetition(melody, begin),
        silence=float(1.0 - is_sounding[begin:].mean()),
    )


def mean_sound(sounds: Iterable[Sound]) -> Sound:
    """Return the mean of each number over at least one melody."""
    return Sound(*(float(np.mean(values)) for values in zip(*sounds, strict=True)))


def repetition(melody: np.ndarray, begin: int = 0) -> float:
    """Return `Sound.repetition` of the steps from `begin` on, when what came before has been heard.

    Args:
        melody: int8 [steps].
        begin: Less than its length.
    """
    if len(melody) < begin + STEPS_PER_BAR:
        return 0.0
    notes_before = [0, *np.cumsum(melody >= 0).tolist()]
    events = melody.astype(np.int8).tobytes()
    first: dict[bytes, int] = {}  # where each stretch was played first
    repeats = []
    for start in range(len(melody) - STEPS_PER_BAR + 1):
        end = start + STEPS_PER_BAR
        earliest = first.setdefault(events[start:end], start)
        if start >= begin and notes_before[end] > notes_before[start]:
            repeats.append(start - earliest >= STEPS_PER_BAR)
    return float(np.mean(repeats)) if repeats else 0.0
