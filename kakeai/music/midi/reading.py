"""MIDI bytes → a score, event by event.

Reading gives what ``note_seq.midi_io.midi_to_note_sequence`` gives for the same bytes, quirks included: that
is how every model of this family met its notes. note-seq hears MIDI through pretty_midi and mido; a reader
that hands out finished notes cannot follow them in the corners (a note-off that closes several notes, the
program at the note-off, tempo on the first track alone), so the bytes are walked here.
"""

import itertools
from array import array
from dataclasses import dataclass, field

import numpy as np

from kakeai.music.midi.format import (
    CHANNEL_DATA_BYTES,
    DEFAULT_TEMPO_US,
    DRUM_CHANNEL,
    MAX_DENOMINATOR_EXPONENT,
    MAX_EVENT_BYTES,
    MAX_TICK,
    META,
    META_MIN_BYTES,
    SET_KEY,
    SET_METRE,
    SET_TEMPO,
    SMPTE_OFFSET,
    SYSEX,
    SYSEX_GOES_ON,
    SYSTEM_DATA_BYTES,
    MidiError,
)
from kakeai.music.score import KEY_SIGNATURE, MAX_SECONDS, NOTE, TEMPO, TIME_SIGNATURE, Score


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
            if status != META:
                running = status
        elif running == -1:
            raise MidiError(f"byte {position}: data where an event should begin")
        else:
            status = running
            if status in (SYSEX, SYSEX_GOES_ON):
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
            size = CHANNEL_DATA_BYTES[kind]
            if max(data[position : position + size], default=0) > 0x7F:
                raise MidiError(f"byte {position}: an event with data above 127")
            if kind == 0xC0:
                programs[status & 0x0F] = data[position]
            position += size
        elif status == META:
            meta = data[position]
            size, position = _payload(data, position + 1)
            if meta in META_MIN_BYTES:
                _read_meta(meta, data[position : position + size], tick, track, events, position)
            else:
                tick -= delta  # mido forgets the time before a meta event that it does not know
            position += size
        elif status in (SYSEX, SYSEX_GOES_ON):
            size, position = _payload(data, position)
            content = data[position : position + size].removeprefix(b"\xf0").removesuffix(b"\xf7")
            if not content.isascii():
                raise MidiError(f"byte {position}: a system exclusive event with data above 127")
            position += size
        else:
            size = SYSTEM_DATA_BYTES.get(status)
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
    if len(payload) < META_MIN_BYTES[meta] or (meta == 0x00 and len(payload) == 1):
        raise MidiError(f"byte {position}: meta event {meta:#04x} is too short")
    if meta == SET_TEMPO:
        tempo = int.from_bytes(payload[:3], "big")
        if track == 0:
            if tempo == 0:
                raise MidiError(f"byte {position}: a tempo of no microseconds a quarter note")
            events.tempos.append((tick, tempo))
    elif meta == SET_METRE:
        numerator, exponent = payload[0], payload[1]
        if exponent > MAX_DENOMINATOR_EXPONENT or (track == 0 and numerator == 0):
            raise MidiError(f"byte {position}: a metre of {numerator}/2^{exponent}")
        if track == 0:
            events.time_signatures.append((tick, numerator, 1 << exponent))
    elif meta == SET_KEY:
        sharps = payload[0] - 256 if payload[0] > 0x7F else payload[0]
        minor = payload[1]
        if not -7 <= sharps <= 7 or minor > 1:
            raise MidiError(f"byte {position}: a key of {sharps} sharps in mode {minor}")
        if track == 0:
            events.key_signatures.append((tick, (7 * sharps + 9 * minor) % 12, minor))
    elif meta == SMPTE_OFFSET:
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
