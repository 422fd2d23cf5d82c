"""Serialized NoteSequences; the oracle is protobuf, which must read them and write the very same bytes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.model.data import note_sequence_bytes as serializer
from kakeai.model.data.note_sequence_bytes import note_sequence_bytes
from kakeai.model.data.note_sequences import music_pb2, note_sequence_to_score
from kakeai.music.score import KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Score

SHORT, LONG = st.integers(0, 2**15 - 1), st.integers(0, 2**31 - 1)
SECONDS = st.one_of(st.just(0.0), st.floats(0, 86_400, allow_subnormal=True))


def columns(dtype, *fields):
    return st.lists(st.tuples(*fields), max_size=5).map(lambda rows: np.array(rows, dtype))


SCORES = st.builds(
    Score,
    notes=columns(NOTE, SHORT, SHORT, SECONDS, SECONDS, LONG, SHORT, st.booleans()),
    tempos=columns(TEMPO, SECONDS, SECONDS),
    time_signatures=columns(TIME_SIGNATURE, SECONDS, SHORT, SHORT),
    key_signatures=columns(KEY_SIGNATURE, SECONDS, st.integers(0, 11), st.integers(0, 1)),
    total_time=SECONDS,
    ticks_per_quarter=SHORT,
)
OTHERS = (TEMPO, TIME_SIGNATURE, KEY_SIGNATURE)
NAMES = st.tuples(st.text(max_size=200), st.text(max_size=3))


def by_protobuf(score, name, filename, collection):
    sequence = music_pb2.NoteSequence(
        id=name, filename=filename, collection_name=collection,
        ticks_per_quarter=score.ticks_per_quarter, total_time=score.total_time,
    )  # fmt: skip
    sequence.source_info.parser = music_pb2.NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = music_pb2.NoteSequence.SourceInfo.MIDI
    for time, numerator, denominator in score.time_signatures.tolist():
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for time, key, mode in score.key_signatures.tolist():
        sequence.key_signatures.add(time=time, key=key, mode=mode)
    for time, qpm in score.tempos.tolist():
        sequence.tempos.add(time=time, qpm=qpm)
    for pitch, velocity, start, end, instrument, program, is_drum in score.notes.tolist():
        sequence.notes.add(
            pitch=pitch, velocity=velocity, start_time=start, end_time=end,
            instrument=instrument, program=program, is_drum=is_drum,
        )  # fmt: skip
    return sequence


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(SCORES, NAMES), max_size=4), st.text(max_size=3))
def test_the_bytes_are_those_of_protobuf(pieces, collection):
    scores, names = [score for score, _ in pieces], [name for _, name in pieces]
    written = note_sequence_bytes(scores, names, collection)
    expected = [by_protobuf(score, *name, collection) for score, name in pieces]
    assert written == [sequence.SerializeToString() for sequence in expected]
    for content, score in zip(written, scores, strict=True):
        read = note_sequence_to_score(music_pb2.NoteSequence.FromString(content))
        assert read.notes.tolist() == score.notes.tolist()


def test_many_notes_are_written_a_piece_at_a_time_as_they_are_at_once(monkeypatch):
    rows = [(60 + n % 3, n % 128, n, n + 0.5, n // 4, n % 2, n > 7) for n in range(11)]
    notes = np.array(rows, NOTE)
    parts = [
        Score(part, *[np.array([], dtype) for dtype in OTHERS], 9.0, 96)
        for part in (notes, notes[:0], notes[4:])
    ]
    names = [("", "")] * len(parts)
    at_once = note_sequence_bytes(parts, names, "c")
    monkeypatch.setattr(serializer, "MAX_ROWS", 4)
    assert note_sequence_bytes(parts, names, "c") == at_once
