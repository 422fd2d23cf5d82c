"""A melody: what it is, and the notes of a phrase as one and back again.

A melody is ``np.int8[steps]``, four steps a quarter note: -2 nothing new, -1 note-off, 0..127 note-on at that
pitch. The grid and the way a note meets it are note-seq's (``note_seq.sequences_lib``, ``note_seq.melodies_lib``).
"""

import numpy as np

from kakeai.music.score import IMPLICIT_QPM, MAX_PITCH, MIN_PITCH, NOTE, Score

__all__ = [
    "MAX_PITCH",
    "MIN_PITCH",
    "NOTE_OFF",
    "NO_EVENT",
    "STEPS_PER_BAR",
    "STEPS_PER_QUARTER",
    "melody_from_notes",
    "melody_of_score",
    "notes_from_melody",
    "quantised",
    "transposed",
    "written",
]

NO_EVENT = -2
NOTE_OFF = -1
STEPS_PER_QUARTER = 4
STEPS_PER_BAR = 16  # of 4/4, where nothing tells the metre


def quantised(starts: np.ndarray, ends: np.ndarray, qpm: float) -> tuple[np.ndarray, np.ndarray]:
    """Notes' first steps, and the steps where they end, int64 each, of seconds; a note takes one step at least."""
    steps_per_second = STEPS_PER_QUARTER * qpm / 60.0
    starts = (starts * steps_per_second + 0.5).astype(np.int64)
    ends = (ends * steps_per_second + 0.5).astype(np.int64)
    return starts, np.where(ends == starts, starts + 1, ends)


def written(pitches: np.ndarray, starts: np.ndarray, ends: np.ndarray, steps: int) -> np.ndarray:
    """Events, int8[steps], of notes by their distinct starts; each is cut where the next begins."""
    melody = np.full(steps, NO_EVENT, np.int8)
    # Note-offs first: a note that begins where another ends takes its step.
    offs = ends[np.append(ends[:-1] < starts[1:], True)] if len(ends) else ends
    melody[offs[offs < steps]] = NOTE_OFF
    heard = starts < steps
    melody[starts[heard]] = pitches[heard]
    return melody


def melody_from_notes(notes: np.ndarray, qpm: float, steps: int) -> np.ndarray:
    """What a player played, as events on the grid from second 0: NOTE[n] → int8[steps].

    Each note goes to the nearest step and takes one at least; of notes on one step the highest counts, and a
    note that is still held when the next begins is cut there (as Magenta reads a primer). What begins at or
    after `steps` is left out; a note held to the end simply ends with the melody.
    """
    notes = notes[~notes["is_drum"] & (notes["velocity"] > 0)]
    starts, ends = quantised(notes["start"], notes["end"], qpm)
    order = np.lexsort((-notes["pitch"], starts))
    order = order[(starts[order] >= 0) & (starts[order] < steps)]
    starts, ends, pitches = starts[order], ends[order], notes["pitch"][order]
    highest = np.append(True, starts[1:] != starts[:-1])[: len(starts)]
    return written(pitches[highest], starts[highest], ends[highest], steps)


def melody_of_score(score: Score) -> np.ndarray:
    """Return a score's melody in its first tempo, int8[steps], up to the end of its last note; see above."""
    qpm = float(score.tempos["qpm"][0]) if len(score.tempos) else IMPLICIT_QPM
    notes = score.notes[~score.notes["is_drum"]]
    steps = int(quantised(notes["start"], notes["end"], qpm)[1].max(initial=0))
    return melody_from_notes(notes, qpm, steps)


def notes_from_melody(melody: np.ndarray, qpm: float, velocity: int = 100) -> np.ndarray:
    """Events, int8[steps] → NOTE[n], in seconds from the first step. The melody's end ends a held note."""
    seconds_per_step = 60.0 / qpm / STEPS_PER_QUARTER
    melody = np.asarray(melody)
    events = np.flatnonzero(melody != NO_EVENT)  # each event but a hold ends what sounded before it
    until = np.append(events[1:], len(melody))
    heard = melody[events] >= MIN_PITCH
    notes = np.zeros(int(heard.sum()), NOTE)
    notes["pitch"], notes["velocity"] = melody[events][heard], velocity
    notes["start"], notes["end"] = events[heard] * seconds_per_step, until[heard] * seconds_per_step
    return notes


def transposed(melody: np.ndarray, semitones: int) -> np.ndarray | None:
    """The melody so many semitones higher, or None where a note would leave MIN_PITCH..MAX_PITCH."""
    moved = np.where(melody >= MIN_PITCH, melody.astype(np.int16) + semitones, melody)
    notes = moved[melody >= MIN_PITCH]
    if (notes < MIN_PITCH).any() or (notes > MAX_PITCH).any():
        return None
    return moved.astype(np.int8)
