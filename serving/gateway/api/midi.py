"""MIDI files in requests and answers, read and written beside the event loop."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kakeai.music.midi import Track, read_midi, write_midi
from kakeai.music.score import Score
from serving.gateway.api.messages import MAX_PHRASE_SECONDS, MAX_QPM, MIN_QPM
from serving.gateway.errors import InvalidRequest

DEFAULT_QPM = 120.0  # what a MIDI file without a tempo means

# One at a time: it is Python's work, and many large files at once would keep everybody else from theirs.
_worker = ThreadPoolExecutor(1, thread_name_prefix="midi")


async def read_score(midi: bytes) -> Score:
    """The score in a MIDI file. Raises MidiError."""
    return await asyncio.get_running_loop().run_in_executor(_worker, read_midi, midi)


async def write_tracks(tracks: Sequence[Track], qpm: float) -> bytes:
    """A MIDI file of tracks at one tempo."""
    return await asyncio.get_running_loop().run_in_executor(_worker, write_midi, tracks, qpm)


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
