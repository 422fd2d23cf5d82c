"""What a melody begins with: the notes of a phrase → the events that a model goes on from, as in Magenta.

`magenta/models/melody_rnn/melody_rnn_generate.py` and `melody_rnn_sequence_generator.py`: the model takes over a good
step after the last note, and a phrase that begins late begins with the bar of its first note.
"""

from dataclasses import dataclass

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.music.melody import (
    NO_EVENT,
    STEPS_PER_BAR,
    STEPS_PER_QUARTER,
    melody_from_notes,
    notes_from_melody,
)
from kakeai.music.score import IMPLICIT_METRE, IMPLICIT_QPM, Score


@dataclass(frozen=True)
class Primer:
    """Where a model takes over.

    Attributes:
        melody: int8 [steps], up to the first step that the model plays.
        start_step: Where `melody` begins, in steps from the beginning of the piece.
        steps: How many steps the model adds.
        qpm: Quarter notes a minute.
    """

    melody: np.ndarray
    start_step: int
    steps: int
    qpm: float

    def notes_of(self, melody: np.ndarray) -> np.ndarray:
        """Return a finished melody, which began as `melody` does, as NOTE[n] in seconds of the piece."""
        notes = notes_from_melody(melody, self.qpm)
        offset = self.start_step * (60.0 / self.qpm / STEPS_PER_QUARTER)
        notes["start"] += offset
        notes["end"] += offset
        return notes


def primer_of_events(events: np.ndarray, qpm: float, num_steps: int) -> Primer:
    """Return the primer of a melody's events (int8 [steps]); its notes count, not the silence after them.

    Args:
        events: -2 to hold, -1 for note-off, 0..127 for a pitch; may be empty.
        qpm: Quarter notes a minute.
        num_steps: Length of the whole melody.

    Raises:
        KakeaiError: The primer leaves nothing to play.
    """
    return _primer(notes_from_melody(events, qpm), qpm, STEPS_PER_BAR, num_steps)


def primer_of_score(score: Score, num_steps: int) -> Primer:
    """Return the primer that a file makes, in its own tempo: of notes that begin together the highest.

    Raises:
        KakeaiError: Tempo or metre change, a bar is no whole number of steps, or nothing is left to play.
    """
    qpm = _only("tempo", score.tempos.tolist(), (IMPLICIT_QPM,))[0]
    numerator, denominator = _only("metre", score.time_signatures.tolist(), IMPLICIT_METRE)
    steps_per_bar = STEPS_PER_QUARTER * 4 * numerator / denominator if denominator else 0
    if steps_per_bar < 1 or steps_per_bar % 1:
        raise KakeaiError(f"its bars of {numerator}/{denominator} are no whole number of 16th notes")
    return _primer(score.notes, qpm, int(steps_per_bar), num_steps)


def _only(what: str, changes: list[tuple], implicit: tuple) -> tuple:
    """Return the only value that a tempo or metre has; one that comes late is a change of the implicit one."""
    changes = sorted(changes, key=lambda change: change[0])
    values = [tuple(value) for _, *value in changes] or [implicit]
    if changes and changes[0][0] != 0:
        values.insert(0, implicit)
    if len(set(values)) > 1:
        time = next(time for time, *value in changes if tuple(value) != values[0])
        raise KakeaiError(f"its {what} changes at {time:.1f} s; give a phrase of one tempo and metre")
    return values[0]


def _primer(notes: np.ndarray, qpm: float, steps_per_bar: int, num_steps: int) -> Primer:
    # The arithmetic is Magenta's, operation by operation: what is rounded depends on it.
    seconds_per_step = 60.0 / qpm / STEPS_PER_QUARTER
    steps_per_second = STEPS_PER_QUARTER * qpm / 60.0
    last_end = float(notes["end"].max()) if len(notes) else 0.0
    start_time, end_time = last_end + seconds_per_step, num_steps * seconds_per_step
    takes_over = int(start_time * steps_per_second + 1.0)
    end_step = int(end_time * steps_per_second)
    if start_time >= end_time or takes_over >= end_step:
        raise KakeaiError(
            f"the primer takes {takes_over} steps, with a rest after it; --num-steps counts them in "
            f"and must be greater, not {num_steps}"
        )
    melody = melody_from_notes(notes, qpm, takes_over)
    sounding = np.flatnonzero(melody != NO_EVENT)
    first = int(sounding[0]) if len(sounding) else takes_over - 1  # without notes, a step of silence
    begin = first - first % steps_per_bar if len(sounding) else max(0, first)
    return Primer(melody[begin:], begin, end_step - takes_over, qpm)
