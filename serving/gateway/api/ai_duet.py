"""The contract of magenta_session and AI Duet, as pure functions.

Their pages post the bytes of a MIDI file as a JSON array of numbers, and the seconds that phrase and answer
last together. They get a MIDI file that begins with their own phrase, as one melody, and goes on with the
answer to the end of that time; each page cuts its part out (magenta_session server/server.py,
server/predict.py; AI Duet static/src/ai/AI.js).
"""

import math

import numpy as np
from pydantic import TypeAdapter, ValidationError

from kakeai.music.melody import STEPS_PER_QUARTER, melody_from_notes
from serving.gateway.errors import InvalidRequest
from serving.gateway.play.primer import end_of

_MIDI = b"MThd"
_byte_values: TypeAdapter[list[int]] = TypeAdapter(list[int])


def midi_bytes(body: bytes) -> bytes:
    """The MIDI file in a body: the file itself or a JSON array of its bytes. Raises InvalidRequest."""
    if body.startswith(_MIDI):
        return body
    try:
        return bytes(_byte_values.validate_json(body, strict=True))
    except (ValidationError, ValueError):
        raise InvalidRequest(
            "The body is neither a MIDI file nor a JSON array of its bytes.", field="body"
        ) from None


def call_and_steps(notes: np.ndarray, qpm: float, duration_seconds: float) -> tuple[np.ndarray, int]:
    """The call as a melody up to the step where the answer begins, and the answer's steps.

    The answer begins on the first step that is more than one step after the last note's end, and stops where
    the duration does, rounded down to a whole step, both as in the reference. Raises InvalidRequest if that
    leaves nothing.
    """
    end = end_of(notes)
    steps_per_second = STEPS_PER_QUARTER * qpm / 60.0
    start_step = math.floor((end + 1.0 / steps_per_second) * steps_per_second) + 1
    end_step = math.floor(duration_seconds * steps_per_second)
    if end_step <= start_step:
        raise InvalidRequest(
            f"duration is {duration_seconds:g} s, but the phrase alone lasts {end:g} s: count both.",
            field="duration",
        )
    return melody_from_notes(notes, qpm, start_step), end_step - start_step
