"""How an answer sounds. A melody has neither loudness nor swing; the player's own are put upon it."""

import numpy as np

from kakeai.music.melody import STEPS_PER_QUARTER, notes_from_melody
from serving.gateway.api.messages import DEFAULT_VELOCITY, Dynamics

# How far a note may stand beside its step, in steps: less than half, so that it is heard on the same step again
# when the answer comes back as history, and notes never change places.
MAX_SHIFT = 0.45


def mean_velocity(notes: np.ndarray) -> int:
    """How hard the player struck, on average, 1..127; the default without notes."""
    return round(float(notes["velocity"].mean())) if notes.size else DEFAULT_VELOCITY


def sounded(
    melody: np.ndarray, qpm: float, call: np.ndarray, call_steps: int, dynamics: Dynamics
) -> np.ndarray:
    """An answer's notes, int8[steps] → NOTE[n], at the tempo and the loudness of the call that it answers.

    With ``follow``, a note gets the velocity and the distance from the grid that the player had at the same
    place of the call, between the player's notes by straight lines; a call of ``call_steps`` shorter than the
    answer is followed over again.
    """
    notes = notes_from_melody(melody, qpm, mean_velocity(call))
    per_second = STEPS_PER_QUARTER * qpm / 60.0
    played = call["start"] * per_second  # in steps, as all that follows
    steps, first = np.unique(np.floor(played + 0.5), return_index=True)
    first = first[steps < call_steps]
    steps = steps[: first.size]
    if dynamics == "flat" or not steps.size:
        return notes
    shifts = np.clip(played[first] - steps, -MAX_SHIFT, MAX_SHIFT)
    velocities = call["velocity"][first]
    starts, ends = np.rint(notes["start"] * per_second), np.rint(notes["end"] * per_second)
    notes["velocity"] = np.rint(_around(starts, steps, velocities, call_steps))
    for name, places in (("start", starts), ("end", ends)):
        moved = places + _around(places, steps, shifts, call_steps)
        notes[name] = np.clip(moved, 0, melody.size) / per_second
    return notes


def _around(places: np.ndarray, steps: np.ndarray, values: np.ndarray, period: float) -> np.ndarray:
    """The values at places between rising steps, all of one period; ``np.interp`` with a period, but quicker."""
    known = np.concatenate([steps[-1:] - period, steps, steps[:1] + period])
    return np.interp(places % period, known, np.concatenate([values[-1:], values, values[:1]]))
