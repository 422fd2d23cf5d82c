"""Request bodies: bounded in size and time, and the music in them."""

import asyncio

import numpy as np
from starlette.requests import Request

from kakeai.music.midi import read_midi
from kakeai.music.score import Score
from serving.gateway.exceptions import InvalidRequest, RequestTooLarge, RequestTooSlow
from serving.gateway.messages import MAX_PHRASE_SECONDS, MAX_QPM, MIN_QPM
from serving.gateway.settings import Settings

DEFAULT_QPM = 120.0  # what a MIDI file without a tempo means


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body. Raises RequestTooLarge or RequestTooSlow at the limits, without reading on."""
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > settings.max_body_bytes:
                    raise RequestTooLarge(f"The body may have {settings.max_body_bytes} bytes.")
    except TimeoutError:
        raise RequestTooSlow(f"The body did not arrive within {settings.body_seconds:g} seconds.") from None
    return bytes(body)


async def read_score(midi: bytes) -> Score:
    """The score in a MIDI file, read beside the event loop. Raises MidiError."""
    return await asyncio.to_thread(read_midi, midi)


def notes_of(score: Score) -> np.ndarray:
    """A score's notes without the drums. Raises InvalidRequest if they go on for longer than a phrase may."""
    notes = score.notes[~score.notes["is_drum"]]
    if score.total_time > MAX_PHRASE_SECONDS:
        raise InvalidRequest(
            f"The MIDI file lasts {score.total_time:.0f} s; a phrase may last {MAX_PHRASE_SECONDS:.0f} s.",
            field="body",
        )
    return notes


def qpm_of(score: Score) -> float:
    """The tempo at a score's start, in quarter notes a minute. Raises InvalidRequest for an odd one."""
    qpm = float(score.tempos["qpm"][0]) if score.tempos.size else DEFAULT_QPM
    if not MIN_QPM <= qpm <= MAX_QPM:
        raise InvalidRequest(
            f"The MIDI file has {qpm:g} quarter notes a minute; {MIN_QPM:g} to {MAX_QPM:g} can be played.",
            field="body",
        )
    return qpm
