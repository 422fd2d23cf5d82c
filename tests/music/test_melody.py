"""Phrases to events and back. The oracle is note-seq's own Melody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq import Melody, NoteSequence, sequences_lib

from kakeai.music.melody import (
    NO_EVENT,
    NOTE_OFF,
    melody_from_notes,
    notes_from_melody,
    transposed,
)
from kakeai.music.score import make_notes

NOTES = st.lists(
    st.tuples(st.integers(0, 127), st.integers(1, 127), st.floats(0, 10), st.floats(0, 3)).map(
        lambda row: (row[0], row[1], row[2], row[2] + row[3])
    ),
    max_size=20,
)


@settings(deadline=None)
@given(NOTES, st.floats(40, 240))
def test_a_phrase_is_read_like_magentas_primer(rows, qpm):
    notes = make_notes(rows)
    sequence = NoteSequence(total_time=float(notes["end"].max(initial=0.0)))
    sequence.tempos.add(qpm=qpm)
    for pitch, velocity, start, end in rows:
        sequence.notes.add(pitch=pitch, velocity=velocity, start_time=start, end_time=end)
    expected = Melody()
    # A gap of a thousand bars: a player may rest without ending the phrase.
    expected.from_quantized_sequence(
        sequences_lib.quantize_note_sequence(sequence, 4), gap_bars=1000, ignore_polyphonic_notes=True
    )
    lead = expected.start_step
    steps = lead + len(expected)
    got = melody_from_notes(notes, qpm, steps)
    assert got.dtype == np.int8
    assert got.tolist() == [NO_EVENT] * lead + [int(event) for event in expected]


@pytest.mark.parametrize(
    ("rows", "events"),
    [
        ([(60, 64, 0.0, 0.125)], [60, -1, -2, -2]),
        ([(60, 64, 0.05, 0.06)], [60, -1, -2, -2]),  # too short to see, yet played
        ([(60, 64, 0.07, 0.08)], [-2, 60, -1, -2]),
        ([(60, 64, 0.0, 9.0)], [60, -2, -2, -2]),  # still held at the end
        ([(60, 64, 0.0, 9.0), (64, 64, 0.25, 0.375)], [60, -2, 64, -1]),  # cut by the next
        ([(60, 64, 0.0, 0.125), (67, 64, 0.01, 0.5), (64, 64, 0.0, 0.5)], [67, -2, -2, -2]),  # top voice
        ([(60, 64, 0.25, 0.5), (62, 64, 0.5, 0.6), (64, 64, 9.0, 9.5)], [-2, -2, 60, -2]),  # beyond the end
        ([(60, 0, 0.0, 0.5)], [-2, -2, -2, -2]),  # silent
        ([(60, 64, 0.0, 0.125), (62, 64, 0.125, 0.25)], [60, 62, -1, -2]),
        ([], [-2, -2, -2, -2]),
    ],
)
def test_phrases_on_the_grid(rows, events):
    assert melody_from_notes(make_notes(rows), 120.0, 4).tolist() == events


MELODY = st.lists(st.sampled_from([NO_EVENT, NO_EVENT, NOTE_OFF, 0, 59, 60, 127]), max_size=64)


def without_idle_offs(events):
    """The melody less note-offs that end nothing, which notes cannot say."""
    sounding = False
    kept = []
    for event in events:
        kept.append(NO_EVENT if event == NOTE_OFF and not sounding else event)
        sounding = event >= 0 or (sounding and event == NO_EVENT)
    return kept


@given(MELODY, st.floats(30, 300), st.integers(1, 127))
def test_events_become_notes_and_events_again(events, qpm, velocity):
    notes = notes_from_melody(np.array(events, np.int8), qpm, velocity)
    assert len(notes) == sum(event >= 0 for event in events)
    assert (notes["velocity"] == velocity).all()
    assert melody_from_notes(notes, qpm, len(events)).tolist() == without_idle_offs(events)


@given(MELODY)
def test_notes_are_timed_as_by_note_seq(events):
    expected = Melody(without_idle_offs(events)).to_sequence(velocity=80, qpm=97.0).notes
    got = notes_from_melody(np.array(events, np.int8), 97.0, 80)
    assert got["pitch"].tolist() == [note.pitch for note in expected]
    np.testing.assert_allclose(got["start"], [note.start_time for note in expected], atol=1e-9)
    np.testing.assert_allclose(got["end"], [note.end_time for note in expected], atol=1e-9)


@given(MELODY, st.integers(-130, 130))
def test_a_transposed_melody_is_note_seqs_or_none(events, semitones):
    moved = transposed(np.array(events, np.int8), semitones)
    expected = [event + semitones if event >= 0 else event for event in events]
    if any(event >= 0 and not 0 <= event + semitones <= 127 for event in events):
        assert moved is None
    else:
        assert moved is not None
        assert moved.dtype == np.int8
        assert moved.tolist() == expected
