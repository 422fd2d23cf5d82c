"""Request bodies: bounded in size and time, and the music in them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from starlette.requests import Request

from kakeai.music.midi import read_midi
from kakeai.music.score import Score
from serving.gateway.api.messages import MAX_PHRASE_SECONDS, MAX_QPM, MIN_QPM
from serving.gateway.errors import InvalidRequest, RequestTooLarge, RequestTooSlow
from serving.gateway.settings import Settings

DEFAULT_QPM = 120.0  # what a MIDI file without a tempo means

# One at a time: reading is Python's work, and many large files at once would keep everybody else from theirs.
_reader = ThreadPoolExecutor(1, thread_name_prefix="midi-reader")


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body. Raises RequestTooLarge or RequestTooSlow at the limits, without reading on."""
    limit = settings.max_body_bytes
    too_large = RequestTooLarge(f"The body may have {limit} bytes.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(settings.request_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestTooSlow(
            f"The body did not arrive within {settings.request_seconds:g} seconds."
        ) from None
    return bytes(body)


async def read_score(midi: bytes) -> Score:
    """The score in a MIDI file, read beside the event loop. Raises MidiError."""
    return await asyncio.get_running_loop().run_in_executor(_reader, read_midi, midi)


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
