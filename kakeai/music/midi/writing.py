"""Notes → MIDI bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kakeai.music.midi.format import (
    DRUM_CHANNEL,
    END_OF_TRACK,
    MAX_DELTA,
    MAX_DENOMINATOR_EXPONENT,
    MAX_TEMPO_US,
    META,
    SET_METRE,
    SET_TEMPO,
    TRACK_NAME,
    MidiError,
)
from kakeai.music.score import MAX_PITCH, MAX_SECONDS, MAX_VELOCITY, MIN_PITCH

WRITTEN_TICKS_PER_QUARTER = 480


@dataclass(frozen=True)
class Track:
    """One voice to be written: its name, its notes (NOTE), its General MIDI program 0..127."""

    name: str
    notes: np.ndarray
    program: int = 0


def write_midi(
    tracks: Sequence[Track], qpm: float = 120.0, time_signature: tuple[int, int] = (4, 4)
) -> bytes:
    """A format 1 file: one track with tempo and metre, then one for each of `tracks`.

    A note of no length gets one tick. MIDI cannot say two overlapping notes of one pitch in one voice, so the
    earlier one ends where the later begins; of two that begin together the longer is kept. Drum notes go to
    channel 10.
    Raises MidiError for values that the format cannot hold.
    """
    numerator, denominator = time_signature
    tempo = round(6e7 / qpm) if qpm > 0 else 0
    if not 0 < tempo <= MAX_TEMPO_US:
        raise MidiError(f"a MIDI file holds tempos from 4 quarter notes a minute, not {qpm}")
    if not 0 < numerator < 256 or denominator not in [1 << e for e in range(MAX_DENOMINATOR_EXPONENT + 1)]:
        raise MidiError(f"{numerator}/{denominator} is no metre that a MIDI file can hold")
    conductor = [
        (0, bytes([META, SET_TEMPO, 3]) + tempo.to_bytes(3, "big")),
        (0, bytes([META, SET_METRE, 4, numerator, denominator.bit_length() - 1, 24, 8])),
    ]
    chunks = [_track_chunk(conductor)]
    melodic_channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    for index, track in enumerate(tracks):
        channel = melodic_channels[index % len(melodic_channels)]
        chunks.append(_track_chunk(_track_events(track, channel, tempo)))
    header = b"MThd" + b"".join(n.to_bytes(size, "big") for n, size in (
        (6, 4), (1, 2), (len(chunks), 2), (WRITTEN_TICKS_PER_QUARTER, 2)))  # fmt: skip
    return header + b"".join(chunks)


def _track_events(track: Track, channel: int, tempo: int) -> list[tuple[int, bytes]]:
    """The track's events as (tick, message), in order; `tempo` in microseconds a quarter."""
    notes = track.notes
    if not 0 <= track.program <= 127:
        raise MidiError(f"program {track.program} lies outside 0..127")
    if ((notes["pitch"] < MIN_PITCH) | (notes["pitch"] > MAX_PITCH)).any():
        raise MidiError(f"a pitch lies outside {MIN_PITCH}..{MAX_PITCH}")
    if ((notes["velocity"] < 1) | (notes["velocity"] > MAX_VELOCITY)).any():
        raise MidiError(f"a velocity lies outside 1..{MAX_VELOCITY}")
    times = np.stack([notes["start"], notes["end"]])
    if not (np.isfinite(times).all() and (times[0] >= 0).all() and (times[1] <= MAX_SECONDS).all()):
        raise MidiError(f"a note's time lies outside 0..{MAX_SECONDS:.0f} seconds")
    ticks = np.rint(times * 1e6 / tempo * WRITTEN_TICKS_PER_QUARTER).astype(np.int64)

    name = track.name.encode()
    # (tick, rank, message): at one tick comes first what sets up, then note-offs, then note-ons
    ordered: list[tuple[int, int, bytes]] = [
        (0, 0, bytes([META, TRACK_NAME]) + _as_variable_length(len(name)) + name),
        (0, 0, bytes([0xC0 | channel, track.program])),
    ]
    # (channel, pitch) → [(start, end, velocity)]
    voices: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for note, start, end in zip(notes, ticks[0].tolist(), ticks[1].tolist(), strict=True):
        voice = (DRUM_CHANNEL if note["is_drum"] else channel, int(note["pitch"]))
        voices.setdefault(voice, []).append((start, max(end, start + 1), int(note["velocity"])))
    for (voice_channel, pitch), sounds in voices.items():
        sounds.sort()
        for (start, end, velocity), following in zip(sounds, [*sounds[1:], None], strict=True):
            if following is not None:
                end = min(end, following[0])
            if end > start:
                ordered.append((start, 2, bytes([0x90 | voice_channel, pitch, velocity])))
                ordered.append((end, 1, bytes([0x80 | voice_channel, pitch, 0])))
    ordered.sort(key=lambda event: event[:2])
    return [(tick, message) for tick, _, message in ordered]


def _track_chunk(events: list[tuple[int, bytes]]) -> bytes:
    body = bytearray()
    now = 0
    for tick, message in events:
        if tick - now > MAX_DELTA:
            raise MidiError("a rest is too long for a MIDI file")
        body += _as_variable_length(tick - now) + message
        now = tick
    body += bytes([0, META, END_OF_TRACK, 0])
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def _as_variable_length(value: int) -> bytes:
    content = [value & 0x7F]
    while value := value >> 7:
        content.append(value & 0x7F | 0x80)
    return bytes(reversed(content))
