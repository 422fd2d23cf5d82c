"""The contract of magenta_session and AI Duet, as pure functions.

Their pages post the bytes of a MIDI file as a JSON array of numbers, and the seconds that phrase and answer
last together. They get a MIDI file that begins with their own phrase, as one melody, and goes on with the
answer to the end of that time; each page cuts its part out (magenta_session server/server.py,
server/predict.py; AI Duet static/src/ai/AI.js).
"""

import math
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from kakeai.music.melody import STEPS_PER_QUARTER, melody_from_notes
from serving.gateway.api.json_bounds import count_values
from serving.gateway.errors import InvalidRequest, RequestTooLarge
from serving.gateway.play.primer import end_of

_MIDI = b"MThd"
_MAX_ARRAY = (
    1 << 16
)  # bytes of a file that comes as an array: its JSON is read in one go, and phrases are small
_byte_values: TypeAdapter[list[int]] = TypeAdapter(Annotated[list[int], Field(fail_fast=True)])


def midi_bytes(body: bytes) -> bytes:
    """The MIDI file in a body: the file itself or a JSON array of its bytes.

    Raises InvalidRequest for what is neither, RequestTooLarge for an array of more than 64 KiB.
    """
    if body.startswith(_MIDI):
        return body
    if count_values(body) > _MAX_ARRAY + 1:  # the array itself is one more
        raise RequestTooLarge(f"An array may have {_MAX_ARRAY} bytes: send a larger file as it is.")
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
