"""Standard MIDI Files written by hand, and what is read in them: by note-seq, the oracle, and by Kakeai."""

import struct
import warnings

from kakeai.music.midi import MidiError, read_midi, read_midi_files

HEADER = bytes.fromhex("4d546864 00000006 0001 0001 0060")  # format 1, one track, 96 ticks a quarter
END = bytes.fromhex("00 ff2f00")


def chunk(*events):
    """A track chunk with the events, given in hex, and an end of track."""
    body = bytes.fromhex("".join(events)) + END
    return b"MTrk" + len(body).to_bytes(4, "big") + body


def midi(*tracks, division=96):
    return b"MThd" + struct.pack(">LhhH", 6, 1, len(tracks), division) + b"".join(tracks)


def by_note_seq(data):
    """What note-seq reads, or None where it refuses; the columns of a Score as lists."""
    from note_seq import midi_io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            sequence = midi_io.midi_to_note_sequence(data)
        except midi_io.MIDIConversionError:
            return None
    return {
        "notes": [
            (n.pitch, n.velocity, n.start_time, n.end_time, n.instrument, n.program, n.is_drum)
            for n in sequence.notes
        ],
        "tempos": [(t.time, t.qpm) for t in sequence.tempos],
        "time_signatures": [(t.time, t.numerator, t.denominator) for t in sequence.time_signatures],
        "key_signatures": [(k.time, k.key, k.mode) for k in sequence.key_signatures],
        "total_time": sequence.total_time,
        "ticks_per_quarter": sequence.ticks_per_quarter,
    }


def by_kakeai(data):
    """What Kakeai reads, in the same form, or None; alone and in a batch it is the same."""
    (in_batch,) = read_midi_files([data])
    try:
        alone = read_midi(data)
    except MidiError as error:
        alone = error
    if isinstance(alone, MidiError):
        assert str(in_batch) == str(alone)
        return None
    assert as_columns(in_batch) == as_columns(alone)
    return as_columns(alone)


def as_columns(score):
    return {
        **{
            name: getattr(score, name).tolist()
            for name in ("notes", "tempos", "time_signatures", "key_signatures")
        },
        "total_time": score.total_time,
        "ticks_per_quarter": score.ticks_per_quarter,
    }


def variable_length(value):
    content = [value & 0x7F]
    while value := value >> 7:
        content.append(value & 0x7F | 0x80)
    return bytes(reversed(content))
