"""Stored NoteSequences as scores. The oracle is note-seq's own message."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq.protobuf import music_pb2

from kakeai.model.data.note_sequences import note_sequence_to_score
from kakeai.model.data.scores import read_pieces
from kakeai.music.score import NOTE

NOTES = st.builds(
    music_pb2.NoteSequence.Note,
    pitch=st.integers(0, 127),
    velocity=st.integers(0, 127),
    start_time=st.sampled_from([0.0, 0.5, -1.0, 1e9]) | st.floats(0, 100),
    end_time=st.floats(0, 100),
    instrument=st.sampled_from([0, 1, 127, 128, 20_000, 2**31 - 1, -1, -(2**31)]),
    program=st.integers(0, 300),
    is_drum=st.booleans(),
    # What scores leave out, as MusicXML and ABC have it
    numerator=st.integers(0, 4),
    denominator=st.integers(0, 300),
    part=st.integers(0, 2),
    voice=st.integers(-1, 2),
    quantized_start_step=st.sampled_from([0, 2**40]),
)
SEQUENCES = st.builds(
    music_pb2.NoteSequence,
    id=st.just("/id/midi/x"),
    filename=st.text(st.characters(codec="utf-8"), max_size=4),
    collection_name=st.just("x"),
    ticks_per_quarter=st.integers(0, 960),
    notes=st.lists(NOTES, max_size=12),
    tempos=st.lists(
        st.builds(music_pb2.NoteSequence.Tempo, time=st.floats(0, 9), qpm=st.floats(1, 300)), max_size=2
    ),
    time_signatures=st.lists(
        st.builds(
            music_pb2.NoteSequence.TimeSignature,
            time=st.floats(0, 9),
            numerator=st.integers(0, 12),
            denominator=st.integers(0, 32),
        ),
        max_size=2,
    ),
    key_signatures=st.lists(
        st.builds(music_pb2.NoteSequence.KeySignature, time=st.floats(0, 9), key=st.integers(0, 11)),
        max_size=2,
    ),
    total_time=st.floats(0, 100),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SEQUENCES, max_size=4))
def test_scores_equal_what_note_seq_reads(sequences):
    pieces = read_pieces([sequence.SerializeToString() for sequence in sequences])
    assert [piece.filename for piece in pieces] == [sequence.filename for sequence in sequences]
    for piece, sequence in zip(pieces, sequences, strict=True):
        expected = note_sequence_to_score(sequence)
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(piece.score, name), value, err_msg=name)
        assert piece.score.notes.dtype == NOTE


def test_fields_may_come_in_any_order():
    note = music_pb2.NoteSequence.Note(pitch=60, velocity=90, start_time=1.0, end_time=2.0)
    parts = [
        music_pb2.NoteSequence.Note(**{field.name: value}).SerializeToString()
        for field, value in reversed(note.ListFields())
    ]
    record = music_pb2.NoteSequence(notes=[note]).SerializeToString()
    assert b"".join(parts) != note.SerializeToString()
    reordered = record.replace(note.SerializeToString(), b"".join(parts))
    (piece,) = read_pieces([reordered])
    assert piece.score.notes.tolist() == [(60, 90, 1.0, 2.0, 0, 0, False)]


FIELDS = st.sampled_from([b"\x08", b"\x10", b"\x19", b"\x21", b"\x38", b"\x40", b"\x48", b"\x58", b"\x3c"])
VALUES = st.sampled_from([b"\x3c", b"\x90\x01", b"\xff" * 9 + b"\x01"]) | st.binary(max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(FIELDS, VALUES), max_size=4))
def test_damaged_notes_are_refused_or_read_as_by_note_seq(parts):
    note = b"".join(field + value for field, value in parts)
    record = bytes([0x42, len(note)]) + note
    try:
        (piece,) = read_pieces([record])
    except ValueError:
        return
    try:
        expected = note_sequence_to_score(music_pb2.NoteSequence.FromString(record))
    except DecodeError:
        assert len(piece.score.notes) == 1  # what is wrong lies in a field that scores leave out
        return
    np.testing.assert_array_equal(piece.score.notes, expected.notes)


@pytest.mark.parametrize(
    "fields", [{"pitch": 70_000}, {"velocity": -40_000}, {"program": 2**30}, {"pitch": 2**31 - 1}]
)
def test_numbers_that_no_note_has_are_refused(fields):
    record = music_pb2.NoteSequence(notes=[music_pb2.NoteSequence.Note(**fields)]).SerializeToString()
    with pytest.raises(ValueError, match="out of range"):
        read_pieces([record])


def test_bytes_that_are_no_note_sequence_are_refused():
    with pytest.raises(ValueError, match="no NoteSequence"):
        read_pieces([b"\xff\xff\xff"])
