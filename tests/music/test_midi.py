"""MIDI bytes to scores and back. The oracle is note-seq, which hears through pretty_midi and mido."""

import os
import random
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.music.midi import MidiError, Track, read_midi, write_midi
from kakeai.music.score import MAX_SECONDS, make_notes

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
    try:
        score = read_midi(data)
    except MidiError:
        return None
    columns = ("notes", "tempos", "time_signatures", "key_signatures")
    return {
        **{name: getattr(score, name).tolist() for name in columns},
        "total_time": score.total_time,
        "ticks_per_quarter": score.ticks_per_quarter,
    }


def test_real_tunes_read_as_by_note_seq(tunes):
    for name, data in tunes.items():
        expected = by_note_seq(data)
        assert expected is not None
        assert len(expected["notes"]) > 20
        assert by_kakeai(data) == expected, name


# Each is the events of one track in hex: delta time, status, data.
CORNERS = {
    "a note": ["00 903c40", "60 803c40"],
    "a note-on without velocity ends a note": ["00 903c40", "60 903c00"],
    "running status": ["00 903c40", "60 3c00", "00 3e40", "60 3e00"],
    "running status goes on after a meta event": ["00 903c40", "00 ff0100", "60 3c00"],
    "running status after a sysex event eats a byte": ["00 903c40", "00 f00141", "00 3c 0102", "60 803c40"],
    "a note that is never ended": ["00 903c40", "60 903e40", "60 803e40"],
    "an end without a note": ["00 803c40", "60 903e40", "60 803e40"],
    "one note-off ends all notes of its pitch": ["00 903c40", "10 903c50", "10 803c40", "10 803c40"],
    "off and on at once, on first": ["00 903c40", "60 903c50", "00 803c40", "60 803c40"],
    "off and on at once, off first": ["00 903c40", "60 803c40", "00 903c50", "60 803c40"],
    "a note of no length": ["00 903c40", "00 803c40", "60 803c40"],
    "the program is the one at the note-off": ["00 c005", "00 903c40", "10 c006", "10 803c40"],
    "instruments count by first ended note": [
        "00 903c40", "00 913e40", "60 813e40", "00 803c40", "00 903c40", "60 803c40",
    ],
    "drums": ["00 993c40", "60 893c40"],
    "a tempo at the beginning and later": ["00 ff5103 07a120", "00 903c40", "60 ff5103 0f4240", "60 803c40"],
    "two tempos at the beginning": ["00 ff5103 07a120", "00 ff5103 0f4240", "00 903c40", "60 803c40"],
    "the same tempo again": ["00 ff5103 07a120", "60 ff5103 07a120", "00 903c40", "60 803c40"],
    "two tempos in one tick": ["10 ff5103 07a121", "00 ff5103 0f4240", "00 903c40", "60 803c40"],
    "metre and key": ["00 ff5804 06031808", "00 ff5902 fd01", "60 ff5804 03021808", "00 ff5902 0200"],
    "every key": [f"01 ff5902 {sharps % 256:02x}{mode:02x}" for sharps in range(-7, 8) for mode in (0, 1)],
    "events after the end of the track": ["00 ff2f00", "00 903c40", "60 803c40"],
    "time before an unknown meta event is forgotten": ["00 903c40", "60 ff0800", "60 803c40"],
    "time before a known one is not": ["00 903c40", "60 ff0900", "60 803c40"],
    "all other channel events": ["00 a03c40", "00 b00740", "00 d040", "00 e00040", "00 903c40", "60 803c40"],
    "system events": ["00 f100", "00 f20000", "00 f300", "00 f6", "00 f8", "00 fe", "00 903c40", "60 803c40"],
    "a long delta": ["00 903c40", "8f60 803c40"],
    "a delta in more bytes than it needs": ["00 903c40", "808080 60 803c40"],
    "sysex with its marks": ["00 f003 f07ef7", "00 f702 7ef7", "00 903c40", "60 803c40"],
    "a text that is no UTF-8": ["00 ff0302 e9ff", "00 903c40", "60 803c40"],
}  # fmt: skip


@pytest.mark.parametrize("events", CORNERS.values(), ids=CORNERS)
def test_corners_read_as_by_note_seq(events):
    data = midi(chunk(*events))
    expected = by_note_seq(data)
    assert expected is not None
    assert by_kakeai(data) == expected


def test_tempo_metre_and_key_count_on_the_first_track_only():
    note = ["00 903c40", "60 803c40"]
    signs = ["00 ff5103 0f4240", "00 ff5804 03021808", "00 ff5902 0200"]
    data = midi(chunk("00 ff0100"), chunk(*signs, *note), chunk(*note))
    assert by_kakeai(data) == by_note_seq(data)
    assert read_midi(data).tempos["qpm"].tolist() == [120.0]


@pytest.mark.parametrize("kind", [0, 1, 2, 7])
def test_the_format_number_does_not_matter(kind):
    data = bytearray(midi(chunk("00 903c40", "60 803c40")))
    data[9] = kind
    assert by_kakeai(bytes(data)) == by_note_seq(bytes(data)) is not None


def test_what_follows_the_last_track_and_a_longer_header_do_not_matter():
    track = chunk("00 903c40", "60 803c40")
    longer = b"MThd" + struct.pack(">LhhH", 8, 1, 1, 96) + b"\0\0" + track + b"junk"
    assert by_kakeai(longer) == by_note_seq(longer) == by_kakeai(midi(track))


NOTE = ["00 903c40", "60 803c40"]
DAMAGED = {
    "nothing": b"",
    "text": b"hello, this is no MIDI file at all",
    "a header alone": HEADER,
    "half a header": HEADER[:11],
    "a RIFF file": b"RIFF" + bytes(4) + b"RMID" + midi(chunk(*NOTE)),
    "no tracks": midi(),
    "a negative number of tracks": bytes.fromhex("4d546864 00000006 0001 ffff 0060") + chunk(*NOTE),
    "SMPTE division": midi(chunk(*NOTE), division=0xE728),
    "no ticks in a quarter": midi(chunk(*NOTE), division=0),
    "an empty track": midi(b"MTrk\0\0\0\0"),
    "a track cut short": midi(chunk(*NOTE))[:-6],
    "a track missing": HEADER[:11] + b"\2" + HEADER[12:] + chunk(*NOTE),
    "an alien chunk": midi(b"XFIH\0\0\0\2ab", chunk(*NOTE)),
    "a length that ends within an event": HEADER + b"MTrk\0\0\0\6" + chunk(*NOTE)[8:],
    "a length of four gigabytes": HEADER + b"MTrk\xff\xff\xff\xff" + chunk(*NOTE)[8:],
    "data where an event should begin": midi(chunk("00 3c40")),
    "an undefined status": midi(chunk("00 f4")),
    "a pitch above 127": midi(chunk("00 908040")),
    "a velocity above 127": midi(chunk("00 903cff")),
    "a controller above 127": midi(chunk("00 b0ff00")),
    "a program above 127": midi(chunk("00 c0ff")),
    "a tempo of nothing": midi(chunk("00 ff5103 000000", *NOTE)),
    "a tempo of two bytes": midi(chunk("00 ff5102 07a1")),
    "a metre over nothing": midi(chunk("00 ff5804 00021808", *NOTE)),
    "a metre of 4 / 2^255": midi(chunk("00 ff5804 04ff1808", *NOTE)),
    "a short metre": midi(chunk("00 ff5802 0402")),
    "a key of nine sharps": midi(chunk("00 ff5902 0900")),
    "a key of mode two": midi(chunk("00 ff5902 0002")),
    "a short key": midi(chunk("00 ff5901 00")),
    "a sequence number of one byte": midi(chunk("00 ff0001 00")),
    "a channel prefix of no channel": midi(chunk("00 ff2000")),
    "an SMPTE offset at minute 60": midi(chunk("00 ff5405 003c000000")),
    "a short SMPTE offset": midi(chunk("00 ff5403 000000")),
    "sysex data above 127": midi(chunk("00 f003 41ff41")),
    "a sysex event longer than the file": midi(chunk("00 f0 8f7f 41")),
    "a meta event longer than any": midi(chunk("00 ff01 ffffff7f 41")),
    "a realtime event with running status": midi(chunk("00 f8", "00 3c")),
    "random bytes behind a good header": HEADER + b"MTrk\0\0\1\0" + random.Random(1).randbytes(256),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused_with_a_reason_as_by_note_seq(data):
    assert by_note_seq(data) is None
    with pytest.raises(MidiError, match=r"\w+ \w+"):
        read_midi(data)


HOSTILE = {
    # note-seq would ask for 40 GiB, or for hours, where it did not refuse
    "a tick beyond all": midi(chunk("00 903c40", "ffffffffffffff7f 803c40")),
    "a delta of a million bytes": midi(chunk("00 903c40", "ff" * 1_000_000 + "7f 803c40")),
    "a million zeros before a delta": midi(chunk("00 903c40", "80" * 1_000_000 + "7f 803c40")),
    "a note of years": midi(chunk("00 ff5103 ffffff", "00 903c40", "ffffff7f 803c40"), division=1),
    "200,000 tempos": midi(chunk("00 903c40", *(f"01 ff5103 {1 + i % 9999:06x}" for i in range(200_000)))),
    "300,000 notes open at once": midi(chunk("00 903c40" * 300_000, "60 803c40")),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_cost_neither_memory_nor_patience(data):
    try:
        score = read_midi(data)
    except MidiError:
        pass
    else:
        assert score.total_time <= MAX_SECONDS


def variable_length(value):
    content = [value & 0x7F]
    while value := value >> 7:
        content.append(value & 0x7F | 0x80)
    return bytes(reversed(content))


PITCH = st.integers(58, 62)  # few, so that notes meet
CHANNEL = st.sampled_from([0, 1, 9])
EVENT = st.one_of(
    st.builds(lambda c, p, v: bytes([0x90 | c, p, v]), CHANNEL, PITCH, st.integers(0, 3)),
    st.builds(lambda c, p: bytes([0x80 | c, p, 64]), CHANNEL, PITCH),
    st.builds(lambda c, p: bytes([0xC0 | c, p]), CHANNEL, st.integers(0, 2)),
    st.builds(lambda t: b"\xff\x51\x03" + t.to_bytes(3, "big"), st.integers(1, 2**24 - 1)),
    st.builds(lambda n, d: bytes([0xFF, 0x58, 4, n, d, 24, 8]), st.integers(1, 255), st.integers(0, 14)),
    st.builds(lambda k, m: bytes([0xFF, 0x59, 2, k % 256, m]), st.integers(-7, 7), st.integers(0, 1)),
    st.builds(lambda m: bytes([0xFF, m, 1, 1]), st.integers(1, 0x50)),
    st.builds(lambda d: b"\xf0" + variable_length(len(d)) + d, st.binary(max_size=1)),
    st.builds(lambda p, v: bytes([p, v]), PITCH, st.integers(0, 3)),  # running status
)
TRACK = st.lists(st.tuples(st.sampled_from([0, 0, 1, 7, 128, 300]), EVENT), min_size=1, max_size=30).map(
    lambda events: b"".join(variable_length(delta) + event for delta, event in events)
)


@settings(max_examples=400, deadline=None)
@given(st.lists(TRACK, min_size=1, max_size=3), st.integers(24, 960))
def test_any_file_reads_as_by_note_seq(tracks, division):
    data = midi(*(b"MTrk" + struct.pack(">L", len(t)) + t for t in tracks), division=division)
    assert by_kakeai(data) == by_note_seq(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_bytes_changed_at_random_never_do_harm(tunes, data):
    content = bytearray(data.draw(st.sampled_from(list(tunes.values())[:20]))[:2000])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        score = read_midi(bytes(content))
    except MidiError:
        return
    assert (score.notes["end"] > score.notes["start"]).all()


MELODIC = st.lists(
    st.tuples(st.integers(0, 127), st.integers(1, 127), st.floats(0, 30), st.floats(0.01, 5)), max_size=20
)


@settings(deadline=None)
@given(MELODIC, st.floats(10, 300), st.sampled_from([(4, 4), (3, 4), (6, 8), (12, 16)]), st.integers(0, 127))
def test_what_is_written_is_read_again(rows, qpm, metre, program):
    # One voice cannot sound a pitch twice at once: of each pitch the notes follow one another.
    free = {}
    notes = []
    for pitch, velocity, start, length in sorted(rows, key=lambda row: row[2]):
        start = max(start, free.get(pitch, 0.0))
        free[pitch] = start + length + 0.1
        notes.append((pitch, velocity, start, start + length))
    score = read_midi(write_midi([Track("voice", make_notes(notes), program)], qpm, metre))

    tick = 60 / qpm / 480
    wanted = sorted(notes, key=lambda note: (note[0], note[2]))
    got = sorted(score.notes.tolist(), key=lambda note: (note[0], note[2]))
    assert [note[:2] for note in got] == [note[:2] for note in wanted]
    np.testing.assert_allclose([n[2] for n in got], [n[2] for n in wanted], atol=0.51 * tick + 1e-6)
    np.testing.assert_allclose([n[3] for n in got], [n[3] for n in wanted], atol=1.51 * tick + 1e-6)
    assert {note[5] for note in got} <= {program}
    assert score.time_signatures.tolist() == [(0.0, *metre)]
    assert score.tempos["qpm"].tolist() == pytest.approx([qpm], rel=1e-5)


def test_written_files_are_the_same_to_note_seq():
    drums = make_notes([(36, 100, 0.0, 0.1)])
    drums["is_drum"] = True
    tracks = [
        Track("掛け合い", make_notes([(60, 90, 0.0, 0.5)]), 5),
        Track("drums", drums),
        Track("none", drums[:0]),
    ]
    data = write_midi(tracks, 97.3, (7, 8))
    assert by_kakeai(data) == by_note_seq(data) is not None
    assert [(n[0], n[5], n[6]) for n in by_kakeai(data)["notes"]] == [(60, 5, False), (36, 0, True)]


def test_overlapping_notes_of_one_pitch_keep_their_onsets():
    notes = make_notes([(60, 1, 0.0, 2.0), (60, 2, 1.0, 3.0), (60, 3, 1.0, 1.5), (62, 4, 0.0, 0.0)])
    got = sorted(read_midi(write_midi([Track("", notes)])).notes.tolist())
    assert [(n[0], n[2], round(n[3], 2)) for n in got] == [(60, 0.0, 1.0), (60, 1.0, 3.0), (62, 0.0, 0.0)]
    assert got[2][3] > 0


@pytest.mark.parametrize(
    ("row", "qpm", "metre", "words"),
    [
        ((128, 64, 0, 1), 120, (4, 4), "pitch"),
        ((60, 0, 0, 1), 120, (4, 4), "velocity"),
        ((60, 64, -1, 1), 120, (4, 4), "time"),
        ((60, 64, 0, float("nan")), 120, (4, 4), "time"),
        ((60, 64, 0, float("inf")), 120, (4, 4), "time"),
        ((60, 64, 0, 1), 0, (4, 4), "tempo"),
        ((60, 64, 0, 1), 3, (4, 4), "tempo"),
        ((60, 64, 0, 1), float("nan"), (4, 4), "tempo"),
        ((60, 64, 0, 1), 120, (4, 5), "metre"),
        ((60, 64, 0, 1), 120, (0, 4), "metre"),
    ],
)
def test_what_midi_cannot_hold_is_refused(row, qpm, metre, words):
    with pytest.raises(MidiError, match=words):
        write_midi([Track("", make_notes([row]))], qpm, metre)


def test_the_light_floor_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, kakeai.music.midi, kakeai.music.melody;"
        "print([m for m in ('tensorflow', 'note_seq', 'keras', 'kfp') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip() == "[]"
