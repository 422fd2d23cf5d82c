"""MIDI bytes to scores and back. The oracle is note-seq, which hears through pretty_midi and mido."""

import os
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smf import as_columns, by_kakeai, by_note_seq, chunk, midi

from kakeai.music.midi import MidiError, Track, batch, read_midi, read_midi_files, write_midi
from kakeai.music.score import make_notes


def test_real_tunes_read_as_by_note_seq(tunes):
    for name, data in tunes.items():
        expected = by_note_seq(data)
        assert expected is not None
        assert len(expected["notes"]) > 20
        assert by_kakeai(data) == expected, name


def test_what_is_plain_is_read_as_columns(tunes, monkeypatch):
    """The slow way is for what is not: it must not hide a fault of the fast one."""
    alone = []
    monkeypatch.setattr(batch, "read_midi", lambda data: alone.append(data) or read_midi(data))
    read_midi_files([*tunes.values(), *(midi(chunk(*events)) for events in CORNERS.values())])
    ways = {name for name, events in CORNERS.items() if midi(chunk(*events)) in alone}
    assert len(alone) == len(ways)
    assert ways == {"running status after a sysex event eats a byte", "system events"}


def test_files_in_a_batch_do_not_touch_each_other(tunes):
    corners = [midi(chunk(*events)) for events in CORNERS.values()]
    damaged = [
        b"",
        b"MThd",
        corners[0][:-6],
        midi(chunk("00 f4")),
        midi(chunk("00 908040")),
        midi(b"MTrk\0\0\0\0"),
    ]
    files = [*tunes.values(), *corners, *damaged] * 2
    random.Random(7).shuffle(files)
    together = read_midi_files(files)
    assert len(together) == len(files)
    for data, score in zip(files, together, strict=True):
        (alone,) = read_midi_files([data])
        if isinstance(score, MidiError):
            assert str(score) == str(alone)
        else:
            assert as_columns(score) == as_columns(alone)


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


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("00 ff5103 000000", "tempo"),
        ("00 ff5102 07a1", "too short"),
        ("00 ff5804 00021808", "metre of 0"),
        ("00 ff5804 04201808", "metre of 4"),
        ("00 ff5902 0800", "key of 8"),
        ("00 ff5902 0002", "mode 2"),
        ("00 ff5405 003c000000", "SMPTE"),
    ],
)
def test_signs_that_mean_nothing_are_refused_as_by_note_seq(event, words):
    data = midi(chunk(event, "00 903c40", "60 803c40"))
    assert by_kakeai(data) is by_note_seq(data) is None
    with pytest.raises(MidiError, match=words):
        read_midi(data)


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
