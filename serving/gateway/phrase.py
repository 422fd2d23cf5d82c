"""Notes to primers and melodies to notes: pure functions."""

import math
from collections.abc import Iterable

import numpy as np

from kakeai.music.melody import NO_EVENT, NOTE_OFF, STEPS_PER_QUARTER, notes_from_melody
from serving.gateway.messages import DEFAULT_VELOCITY

# How much of the past a model hears. Training melodies end at 512 steps (Magenta's extraction, `max_steps`),
# so no model has learnt to make use of more.
PRIMER_STEPS = 512


def steps_at(seconds: float, qpm: float) -> int:
    """The step of the grid nearest to a time, halves up as note-seq rounds."""
    return math.floor(seconds * (STEPS_PER_QUARTER * qpm / 60.0) + 0.5)


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


def worth_keeping(melodies: list[np.ndarray]) -> list[np.ndarray]:
    """The last of the melodies, as many as a primer made of them can hear.

    One step more than a primer has is kept: whether the first step is a note-off depends on what came before.
    """
    steps = np.cumsum([melody.size for melody in reversed(melodies)])
    enough = int(np.searchsorted(steps, PRIMER_STEPS, side="right")) + 1
    return melodies[-enough:]


def mean_velocity(notes: np.ndarray) -> int:
    """How hard the player struck, on average, 1..127; the default without notes."""
    return round(float(notes["velocity"].mean())) if notes.size else DEFAULT_VELOCITY


def notes_in_reply(melody: np.ndarray, qpm: float, call: np.ndarray) -> np.ndarray:
    """The notes of a melody at the tempo and the loudness of the call that it answers."""
    return notes_from_melody(melody, qpm, mean_velocity(call))
