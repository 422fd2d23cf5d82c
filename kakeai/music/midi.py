"""MIDI bytes ⇄ a score: columns of notes, tempos, metres and keys, in seconds.

Reading gives what ``note_seq.midi_io.midi_to_note_sequence`` gives for the same bytes, quirks included: that
is how every model of this family met its notes. note-seq hears MIDI through pretty_midi and mido; a reader
that hands out finished notes cannot follow them in the corners (a note-off that closes several notes, the
program at the note-off, tempo on the first track alone), so the bytes are walked here.
Format: Standard MIDI Files 1.0 (RP-001).
"""

import itertools
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kakeai.errors import KakeaiError

MIN_PITCH = 0
MAX_PITCH = 127
MAX_VELOCITY = 127
DRUM_CHANNEL = 9

NOTE = np.dtype(
    [
        ("pitch", "i2"),
        ("velocity", "i2"),
        ("start", "f8"),  # seconds
        ("end", "f8"),  # seconds
        ("instrument", "i4"),
        ("program", "i2"),
        ("is_drum", "?"),
    ]
)
TEMPO = np.dtype([("time", "f8"), ("qpm", "f8")])  # seconds; quarter notes a minute
TIME_SIGNATURE = np.dtype([("time", "f8"), ("numerator", "i2"), ("denominator", "i2")])
KEY_SIGNATURE = np.dtype(
    [("time", "f8"), ("key", "i2"), ("mode", "i2")]
)  # key 0..11 from C; mode 0 major, 1 minor

MAX_TICK = 10**10  # note-seq's own limit
MAX_SECONDS = (
    24 * 3600.0
)  # no tune lasts a day: such a file is damaged, and would cost later stages their memory
MAX_EVENT_BYTES = 1_000_000  # mido's limit for the payload of one meta or sysex event
MAX_DENOMINATOR_EXPONENT = 14  # the metre's denominator is held in 16 bits; real ones end at 1/64
DEFAULT_TEMPO_US = 500_000  # microseconds a quarter note, where a file names no tempo: 120 a minute
MAX_TEMPO_US = 0xFFFFFF  # three bytes
WRITTEN_TICKS_PER_QUARTER = 480
MAX_DELTA = 0x0FFFFFFF  # the longest distance between two events that the format can say

# Data bytes after a status byte, by its upper half; of system messages by the whole byte.
# 0xF4, 0xF5, 0xF9 and 0xFD are undefined.
_CHANNEL_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
_META, _SYSEX, _SYSEX_GOES_ON = 0xFF, 0xF0, 0xF7
_SET_TEMPO, _SMPTE_OFFSET, _TIME_SIGNATURE, _KEY_SIGNATURE, _END_OF_TRACK, _TRACK_NAME = (
    0x51, 0x54, 0x58, 0x59, 0x2F, 0x03,
)  # fmt: skip
# The meta events mido knows, with the fewest payload bytes each may have.
_META_MIN_BYTES = {
    **dict.fromkeys((0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x7F), 0),
    0x20: 1, 0x21: 0, _END_OF_TRACK: 0,
    _SET_TEMPO: 3, _SMPTE_OFFSET: 5, _TIME_SIGNATURE: 4, _KEY_SIGNATURE: 2,
}  # fmt: skip


class MidiError(KakeaiError):
    """Bytes that cannot be read as MIDI, or notes that cannot be written as such; says where and why."""


@dataclass(frozen=True)
class Score:
    """One piece: columns of this module's dtypes, in note-seq's order. All times in seconds."""

    notes: np.ndarray  # NOTE, by instrument, then in the order in which the notes end
    tempos: np.ndarray  # TEMPO
    time_signatures: np.ndarray  # TIME_SIGNATURE
    key_signatures: np.ndarray  # KEY_SIGNATURE
    total_time: float
    ticks_per_quarter: int


@dataclass(frozen=True)
class Track:
    """One voice to be written: its name, its notes (NOTE), its General MIDI program 0..127."""

    name: str
    notes: np.ndarray
    program: int = 0


def make_notes(rows: Iterable[tuple[int, int, float, float]]) -> np.ndarray:
    """Notes (NOTE) from rows of pitch, velocity, start and end in seconds."""
    return np.array([(*row, 0, 0, False) for row in rows], dtype=NOTE)


# Reading


@dataclass
class _Events:
    """What the tracks said, still in ticks."""

    notes: array = field(
        default_factory=lambda: array("q")
    )  # pitch, velocity, start, end, instrument; and again
    instruments: dict[tuple[int, int, int], int] = field(
        default_factory=dict
    )  # (program, channel, track) → number
    tempos: list[tuple[int, int]] = field(default_factory=list)  # tick, microseconds a quarter
    time_signatures: list[tuple[int, int, int]] = field(default_factory=list)  # tick, numerator, denominator
    key_signatures: list[tuple[int, int, int]] = field(default_factory=list)  # tick, key, mode


def read_midi(data: bytes) -> Score:
    """The score in the bytes of a Standard MIDI File of any format.

    Raises MidiError, with the byte where it happened, for whatever note-seq rejects too: any unreadable or
    empty track, alien chunks, a division in SMPTE frames; and for notes that end after MAX_SECONDS.
    """
    division, track_count, position = _read_header(data)
    events = _Events()
    for track in range(track_count):
        try:
            position = _read_track(data, position, track, events)
        except IndexError:
            raise MidiError(
                f"the file ends in the middle of track {track + 1}; it has been cut short"
            ) from None
    return _score(events, division)


def _read_header(data: bytes) -> tuple[int, int, int]:
    """Ticks a quarter, the number of tracks, and where the first track begins."""
    if data[:4] != b"MThd":
        raise MidiError("this is no MIDI file: it does not begin with MThd")
    size = int.from_bytes(data[4:8], "big")
    if len(data) < 14 or size < 6:
        raise MidiError("the header of the MIDI file is cut short")
    track_count = int.from_bytes(data[10:12], "big", signed=True)
    division = int.from_bytes(data[12:14], "big", signed=True)
    if division < 0:
        raise MidiError(
            "time is counted in SMPTE frames, not in beats; save the file with ticks per quarter note"
        )
    if division == 0:
        raise MidiError("the header says that a quarter note has no ticks")
    if track_count <= 0:
        raise MidiError("the header says that there are no tracks")
    return division, track_count, 8 + size


def _read_track(data: bytes, position: int, track: int, events: _Events) -> int:
    """Adds one track to the events; returns where the next one begins.

    The declared length must end between two events. What follows an end-of-track event inside it counts.
    """
    if data[position : position + 4] != b"MTrk":
        if position >= len(data):
            raise IndexError
        raise MidiError(f"byte {position}: a track should begin here with MTrk; is this file damaged?")
    if len(data) < position + 8:
        raise IndexError
    end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "big")
    position += 8
    if position == end:
        raise MidiError(f"track {track + 1} is empty")

    tick = 0
    running = -1  # the last status byte but those of meta events, which do not end a running status
    programs = [0] * 16
    sounding: dict[int, list[tuple[int, int]]] = {}  # channel << 7 | pitch → [(start tick, velocity)]
    add_note, instruments = events.notes.extend, events.instruments
    while position < end:
        delta = data[position]
        position += 1
        if delta > 0x7F:
            following = data[position]
            if following > 0x7F:
                delta, position = _variable_length(data, position - 1, MAX_TICK)
            else:
                delta = (delta & 0x7F) << 7 | following
                position += 1
        tick += delta
        if tick > MAX_TICK:
            raise MidiError(f"byte {position}: an event at tick {tick}; is this file damaged?")

        status = data[position]
        if status > 0x7F:
            position += 1
            if status != _META:
                running = status
        elif running == -1:
            raise MidiError(f"byte {position}: data where an event should begin")
        else:
            status = running
            if status in (_SYSEX, _SYSEX_GOES_ON):
                position += 1  # mido takes a data byte after a sysex event for one more sysex event
        kind = status & 0xF0

        if kind <= 0x90:
            pitch = data[position]
            velocity = data[position + 1]
            position += 2
            if pitch > 0x7F or velocity > 0x7F:
                raise MidiError(f"byte {position - 2}: a note event with data above 127")
            key = (status & 0x0F) << 7 | pitch
            if velocity and kind == 0x90:
                if key in sounding:
                    sounding[key].append((tick, velocity))
                else:
                    sounding[key] = [(tick, velocity)]
                continue
            opened = sounding.pop(key, None)
            if opened is None:
                continue
            if opened[-1][0] == tick:
                # A note-off ends every open note of its key but those of this very tick, which sound on
                # if it has ended another one, and are lost if it has not (pretty_midi 0.2.11).
                if opened[0][0] == tick:
                    continue
                sounding[key] = [note for note in opened if note[0] == tick]
                opened = [note for note in opened if note[0] != tick]
            voice = (programs[status & 0x0F], status & 0x0F, track)
            instrument = instruments.setdefault(voice, len(instruments))
            for start, loudness in opened:
                add_note((pitch, loudness, start, tick, instrument))
        elif kind != 0xF0:
            size = _CHANNEL_DATA_BYTES[kind]
            if max(data[position : position + size], default=0) > 0x7F:
                raise MidiError(f"byte {position}: an event with data above 127")
            if kind == 0xC0:
                programs[status & 0x0F] = data[position]
            position += size
        elif status == _META:
            meta = data[position]
            size, position = _payload(data, position + 1)
            if meta in _META_MIN_BYTES:
                _read_meta(meta, data[position : position + size], tick, track, events, position)
            else:
                tick -= delta  # mido forgets the time before a meta event that it does not know
            position += size
        elif status in (_SYSEX, _SYSEX_GOES_ON):
            size, position = _payload(data, position)
            content = data[position : position + size].removeprefix(b"\xf0").removesuffix(b"\xf7")
            if not content.isascii():
                raise MidiError(f"byte {position}: a system exclusive event with data above 127")
            position += size
        else:
            size = _SYSTEM_DATA_BYTES.get(status)
            if size is None:
                raise MidiError(f"byte {position - 1}: {status:#04x} is no event")
            if not data[position : position + size].isascii() or (size == 0 and data[position - 1] != status):
                raise MidiError(f"byte {position}: a system event with wrong data")
            position += size

    if position > len(data):
        raise IndexError
    if position != end:
        raise MidiError(f"byte {position}: the length of track {track + 1} ends in the middle of an event")
    return position


def _variable_length(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """A number in seven-bit bytes, the last of them below 0x80, and the position after it."""
    value = 0
    while True:
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if value > limit:
            raise MidiError(f"byte {position}: a number above {limit:,}; is this file damaged?")
        if byte < 0x80:
            return value, position


def _payload(data: bytes, position: int) -> tuple[int, int]:
    """The size of the payload of a meta or sysex event, and where it begins."""
    size, position = _variable_length(data, position, MAX_EVENT_BYTES)
    if position + size > len(data):
        raise IndexError
    return size, position


def _read_meta(meta: int, payload: bytes, tick: int, track: int, events: _Events, position: int) -> None:
    """Tempo, metre and key count on the first track only, but must be sound on every one."""
    if len(payload) < _META_MIN_BYTES[meta] or (meta == 0x00 and len(payload) == 1):
        raise MidiError(f"byte {position}: meta event {meta:#04x} is too short")
    if meta == _SET_TEMPO:
        tempo = int.from_bytes(payload[:3], "big")
        if track == 0:
            if tempo == 0:
                raise MidiError(f"byte {position}: a tempo of no microseconds a quarter note")
            events.tempos.append((tick, tempo))
    elif meta == _TIME_SIGNATURE:
        numerator, exponent = payload[0], payload[1]
        if exponent > MAX_DENOMINATOR_EXPONENT or (track == 0 and numerator == 0):
            raise MidiError(f"byte {position}: a metre of {numerator}/2^{exponent}")
        if track == 0:
            events.time_signatures.append((tick, numerator, 1 << exponent))
    elif meta == _KEY_SIGNATURE:
        sharps = payload[0] - 256 if payload[0] > 0x7F else payload[0]
        minor = payload[1]
        if not -7 <= sharps <= 7 or minor > 1:
            raise MidiError(f"byte {position}: a key of {sharps} sharps in mode {minor}")
        if track == 0:
            events.key_signatures.append((tick, (7 * sharps + 9 * minor) % 12, minor))
    elif meta == _SMPTE_OFFSET:
        rate_and_hours, minutes, seconds, _, subframes = payload[:5]
        if rate_and_hours >> 5 > 3 or minutes > 59 or seconds > 59 or subframes > 99:
            raise MidiError(f"byte {position}: an SMPTE offset that is no time")


@dataclass(frozen=True)
class _Clock:
    """Ticks → seconds, in pretty_midi's float64 steps: another rounding would flip quantised notes."""

    ticks: np.ndarray  # int64[changes], where a tempo begins
    scales: np.ndarray  # float64[changes], seconds a tick from there
    times: np.ndarray  # float64[changes], the seconds at `ticks`

    def seconds(self, ticks: np.ndarray) -> np.ndarray:
        change = np.searchsorted(self.ticks, ticks, side="right") - 1
        return self.times[change] + self.scales[change] * (ticks - self.ticks[change])


def _clock(tempos: list[tuple[int, int]], division: int) -> _Clock:
    changes = [(0, 60.0 / ((6e7 / DEFAULT_TEMPO_US) * division))]
    for tick, tempo in tempos:
        scale = 60.0 / ((6e7 / tempo) * division)
        if tick == 0:
            changes = [(0, scale)]
        elif scale != changes[-1][1]:
            changes.append((tick, scale))
    times = [0.0]
    for (tick, scale), (next_tick, _) in itertools.pairwise(changes):
        times.append(times[-1] + scale * (next_tick - tick))
    ticks, scales = zip(*changes, strict=True)
    return _Clock(np.array(ticks, np.int64), np.array(scales), np.array(times))


def _score(events: _Events, division: int) -> Score:
    clock = _clock(events.tempos, division)
    pitch, velocity, start, end, instrument = np.frombuffer(events.notes, np.int64).reshape(-1, 5).T
    order = np.argsort(instrument, kind="stable")
    programs, channels = np.array([key[:2] for key in events.instruments], np.int64).reshape(-1, 2).T
    notes = np.empty(len(order), NOTE)
    notes["pitch"], notes["velocity"], notes["instrument"] = pitch[order], velocity[order], instrument[order]
    notes["start"], notes["end"] = clock.seconds(start[order]), clock.seconds(end[order])
    notes["program"] = programs[notes["instrument"]]
    notes["is_drum"] = channels[notes["instrument"]] == DRUM_CHANNEL
    total_time = float(notes["end"].max(initial=0.0))
    if total_time > MAX_SECONDS:
        raise MidiError(f"the last note ends after {total_time / 3600:.0f} hours; is this file damaged?")

    tempos = np.empty(len(clock.ticks), TEMPO)
    tempos["time"], tempos["qpm"] = clock.times, 60.0 / (clock.scales * division)
    return Score(
        notes=notes,
        tempos=tempos,
        time_signatures=_timed(events.time_signatures, TIME_SIGNATURE, clock),
        key_signatures=_timed(events.key_signatures, KEY_SIGNATURE, clock),
        total_time=total_time,
        ticks_per_quarter=division,
    )


def _timed(rows: list[tuple[int, int, int]], dtype: np.dtype, clock: _Clock) -> np.ndarray:
    """Rows of a tick and two numbers, as the columns of dtype, whose first is the time in seconds."""
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    timed = np.empty(columns.shape[1], dtype)
    time, first, second = dtype.names or ("", "", "")
    timed[time], timed[first], timed[second] = clock.seconds(columns[0]), columns[1], columns[2]
    return timed


# Writing


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
        (0, bytes([_META, _SET_TEMPO, 3]) + tempo.to_bytes(3, "big")),
        (0, bytes([_META, _TIME_SIGNATURE, 4, numerator, denominator.bit_length() - 1, 24, 8])),
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
    ordered: list[
        tuple[int, int, bytes]
    ] = [  # at one tick: first what sets up, then note-offs, then note-ons
        (0, 0, bytes([_META, _TRACK_NAME]) + _as_variable_length(len(name)) + name),
        (0, 0, bytes([0xC0 | channel, track.program])),
    ]
    voices: dict[
        tuple[int, int], list[tuple[int, int, int]]
    ] = {}  # (channel, pitch) → [(start, end, velocity)]
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
    body += bytes([0, _META, _END_OF_TRACK, 0])
    return b"MTrk" + len(body).to_bytes(4, "big") + bytes(body)


def _as_variable_length(value: int) -> bytes:
    content = [value & 0x7F]
    while value := value >> 7:
        content.append(value & 0x7F | 0x80)
    return bytes(reversed(content))
