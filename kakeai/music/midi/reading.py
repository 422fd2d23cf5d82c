"""MIDI bytes → a score, event by event.

Reading gives what ``note_seq.midi_io.midi_to_note_sequence`` gives for the same bytes, quirks included: that
is how every model of this family met its notes. note-seq hears MIDI through pretty_midi and mido; a reader
that hands out finished notes cannot follow them in the corners (a note-off that closes several notes, the
program at the note-off, tempo on the first track alone), so the bytes are walked here.
"""

from array import array
from dataclasses import dataclass, field

import numpy as np

from kakeai.music.midi.chunks import TRACK, read_header
from kakeai.music.midi.format import (
    CHANNEL_DATA_BYTES,
    DRUM_CHANNEL,
    MAX_EVENT_BYTES,
    MAX_TICK,
    META,
    META_MIN_BYTES,
    SYSEX,
    SYSEX_GOES_ON,
    SYSTEM_DATA_BYTES,
    MidiError,
    is_sysex_payload,
)
from kakeai.music.midi.seconds import make_scores
from kakeai.music.midi.signs import Signs, read_meta
from kakeai.music.score import NOTE, Score


@dataclass
class _Notes:
    """The notes of a file, still in ticks, in the order in which they end."""

    # pitch, velocity, start, end, instrument of the first note, then of the second, and so on
    rows: array = field(default_factory=lambda: array("q"))
    # (program, channel, track) → number
    instruments: dict[tuple[int, int, int], int] = field(default_factory=dict)


def read_midi(data: bytes) -> Score:
    """The score in the bytes of a Standard MIDI File of any format.

    Raises MidiError, with the byte where it happened, for whatever note-seq rejects too: any unreadable or
    empty track, alien chunks, a division in SMPTE frames; and for notes that end after MAX_SECONDS.
    """
    division, track_count, position = read_header(data)
    notes, signs = _Notes(), Signs(division)
    for track in range(track_count):
        try:
            position = _read_track(data, position, track, notes, signs)
        except IndexError:
            raise MidiError(
                f"the file ends in the middle of track {track + 1}; it has been cut short"
            ) from None
    (score,) = _scores(notes, signs)
    if isinstance(score, MidiError):
        raise score
    return score


def _read_track(data: bytes, position: int, track: int, notes: _Notes, signs: Signs) -> int:
    """Adds one track to the notes and signs; returns where the next one begins.

    The declared length must end between two events. What follows an end-of-track event inside it counts.
    """
    if data[position : position + 4] != TRACK:
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
    add_note, instruments = notes.rows.extend, notes.instruments
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
                read_meta(meta, data[position : position + size], tick, track, signs, position)
            else:
                tick -= delta  # mido forgets the time before a meta event that it does not know
            position += size
        elif status in (SYSEX, SYSEX_GOES_ON):
            size, position = _payload(data, position)
            if not is_sysex_payload(data[position : position + size]):
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


def _scores(notes: _Notes, signs: Signs) -> list[Score | MidiError]:
    pitch, velocity, start, end, instrument = np.frombuffer(notes.rows, np.int64).reshape(-1, 5).T
    order = np.argsort(instrument, kind="stable")
    programs, channels = np.array([key[:2] for key in notes.instruments], np.int64).reshape(-1, 2).T
    rows = np.empty(len(order), NOTE)
    rows["pitch"], rows["velocity"], rows["instrument"] = pitch[order], velocity[order], instrument[order]
    rows["program"] = programs[rows["instrument"]]
    rows["is_drum"] = channels[rows["instrument"]] == DRUM_CHANNEL
    return make_scores([signs], rows, start[order], end[order], np.array([len(rows)]))
