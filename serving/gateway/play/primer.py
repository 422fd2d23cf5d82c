"""Notes to primers: pure functions."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from kakeai.music.melody import NO_EVENT, NOTE_OFF, STEPS_PER_QUARTER

# How much of the past a model hears. Training melodies end at 512 steps (Magenta's extraction, `max_steps`),
# so no model has learnt to make use of more.
PRIMER_STEPS = 512


def steps_at(seconds: float, qpm: float) -> int:
    """The step of the grid nearest to a time, halves up as note-seq rounds."""
    return math.floor(seconds * (STEPS_PER_QUARTER * qpm / 60.0) + 0.5)


def within(notes: np.ndarray, qpm: float, steps: int) -> np.ndarray:
    """The notes of a turn of so many steps, NOTE[n] → NOTE[m]: those that begin in it, cut where it ends."""
    starts, _ = _steps(notes, qpm)
    inside = notes[starts < steps]
    inside["end"] = np.minimum(inside["end"], steps * 60.0 / (STEPS_PER_QUARTER * qpm))
    return inside


def top_voice(notes: np.ndarray, qpm: float) -> np.ndarray:
    """The notes that a melody is made of, NOTE[n] → NOTE[m]: of several voices the top one.

    Left out is a note that begins on one step with a higher one, or has a higher one over more than half of it
    (less than that is legato). It takes time in proportion to notes times steps, so both must be bounded.
    """
    starts, ends = _steps(notes, qpm)
    if (np.sort(starts)[1:] >= np.sort(ends)[:-1]).all():
        return notes
    first, last = starts.tolist(), ends.tolist()
    pitches = notes["pitch"].tolist()
    heard = np.zeros(notes.size, bool)
    # Sets of steps, a bit each: those at which a higher note sounds, and those at which one begins.
    covered = begun = 0
    for _, group in groupby(np.argsort(-notes["pitch"], kind="stable").tolist(), pitches.__getitem__):
        sounding = 0
        for note in group:
            begins = 1 << first[note]
            lasts = (1 << last[note]) - begins
            under = (covered & lasts).bit_count()
            heard[note] = not begun & begins and 2 * under <= last[note] - first[note]
            begun |= begins
            sounding |= lasts
        covered |= sounding
    return notes[heard]


def _steps(notes: np.ndarray, qpm: float) -> tuple[np.ndarray, np.ndarray]:
    """The steps where notes begin and end, int64[n] each; a note takes one at least."""
    per_second = STEPS_PER_QUARTER * qpm / 60.0
    starts = np.floor(notes["start"] * per_second + 0.5).astype(np.int64)
    ends = np.floor(notes["end"] * per_second + 0.5).astype(np.int64)
    return starts, np.maximum(ends, starts + 1)


def end_of(notes: np.ndarray) -> float:
    """When the last note ends, in seconds; 0 without notes."""
    return float(notes["end"].max()) if notes.size else 0.0


def steps_to_the_beat(notes: np.ndarray, qpm: float) -> int:
    """Steps from the start to the end of the last note, rounded up to the beat; one beat at least."""
    beats = math.ceil(steps_at(end_of(notes), qpm) / STEPS_PER_QUARTER)
    return max(beats, 1) * STEPS_PER_QUARTER


def line(melodies: Iterable[np.ndarray]) -> np.ndarray:
    """One melody of several, int8[sum of steps], each keeping to its own steps.

    "No event" at a melody's start means silence, but behind another melody it would hold that one's last
    note: there it becomes a note-off.
    """
    parts: list[np.ndarray] = []
    sounding = False
    for melody in melodies:
        if not melody.size:
            continue
        if sounding and melody[0] == NO_EVENT:
            melody = np.concatenate([np.array([NOTE_OFF], melody.dtype), melody[1:]])
        events = melody[melody != NO_EVENT]
        sounding = bool(events[-1] >= 0) if events.size else sounding
        parts.append(melody)
    return np.concatenate(parts) if parts else np.empty(0, np.int8)


def recent(melody: np.ndarray, steps_per_unit: int = 1) -> np.ndarray:
    """The end of a melody that a model is to hear: at most PRIMER_STEPS, cut between whole units (bars)."""
    surplus = max(0, melody.size - PRIMER_STEPS)
    return melody[math.ceil(surplus / steps_per_unit) * steps_per_unit :]


def turns_heard(steps: Sequence[int]) -> int:
    """How many of the last turns, of so many steps each, a primer made of them can hear.

    One step more than a primer has counts: whether the first step is a note-off depends on what came before.
    """
    total = 0
    for count, size in enumerate(reversed(steps), start=1):
        total += size
        if total > PRIMER_STEPS:
            return count
    return len(steps)


def worth_keeping(melodies: list[np.ndarray]) -> list[np.ndarray]:
    """The last of the melodies, as many as a primer made of them can hear."""
    return melodies[len(melodies) - turns_heard([melody.size for melody in melodies]) :]
