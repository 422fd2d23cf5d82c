"""Melodies of a score, and phrases to events and back. The oracle is Magenta's own pipeline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq import Melody, NoteSequence, sequences_lib

from kakeai.model.note_sequences import note_sequence_to_score, score_to_note_sequence
from kakeai.music.melody import (
    METRE,
    NO_EVENT,
    NO_NOTES,
    NOTE_OFF,
    POLYPHONY,
    TOO_FEW_PITCHES,
    TOO_SHORT,
    Extraction,
    extract_melodies,
    melody_from_notes,
    notes_from_melody,
)
from kakeai.music.midi import read_midi
from kakeai.music.score import make_notes


def by_magenta(sequence, rules=Extraction()):  # noqa: B008
    """The melodies that Magenta's melody_rnn pipeline encodes."""
    from magenta.pipelines import melody_pipelines, note_sequence_pipelines

    quantizer = note_sequence_pipelines.Quantizer(steps_per_quarter=4)
    extractor = melody_pipelines.MelodyExtractor(
        min_bars=rules.min_bars,
        max_steps=rules.max_steps,
        min_unique_pitches=rules.min_unique_pitches,
        gap_bars=rules.gap_bars,
        ignore_polyphonic_notes=False,
    )
    return [
        [int(event) for event in melody]
        for segment in note_sequence_pipelines.TimeChangeSplitter().transform(sequence)
        for quantised in quantizer.transform(segment)
        for melody in extractor.transform(quantised)
    ]


def by_kakeai(score, rules=Extraction()):  # noqa: B008
    melodies, _ = extract_melodies(score, rules)
    assert all(melody.dtype == np.int8 for melody in melodies)
    return [melody.tolist() for melody in melodies]


def test_real_tunes_give_magentas_melodies(tunes):
    total = 0
    for name, data in tunes.items():
        score = read_midi(data)
        expected = by_magenta(score_to_note_sequence(score))
        assert by_kakeai(score) == expected, name
        total += len(expected)
    assert total > len(tunes) / 2


@st.composite
def sequences(draw):
    """Several instruments, sparse and dense, over changes of metre and tempo, near and on the grid."""
    sequence = NoteSequence(ticks_per_quarter=220)
    time = st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.9, 7.5, 16.0])
    for _ in range(draw(st.integers(0, 3))):
        metre = draw(
            st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (1, 4), (7, 32), (4, 3), (0, 4), (3, 16)])
        )
        sequence.time_signatures.add(time=draw(time), numerator=metre[0], denominator=metre[1])
    for _ in range(draw(st.integers(0, 3))):
        sequence.tempos.add(time=draw(time), qpm=draw(st.sampled_from([120.0, 120.0, 60.0, 90.0, 133.7])))
    for instrument in draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3, 8, 9, 17, 33, 1000]), max_size=4)):
        at = draw(st.floats(0, 2))
        for _ in range(draw(st.integers(1, 40))):
            # Mostly one voice after another; at times a chord, a rest, or a note held too long.
            at += draw(st.sampled_from([0.125, 0.125, 0.125, 0.25, 0.25, 0.5, 0.0, 0.06, 0.13, 2.0, 2.1]))
            sequence.notes.add(
                instrument=instrument,
                pitch=draw(st.integers(58, 66)),
                velocity=draw(st.sampled_from([0, 64, 64, 64, 64, 64, 64])),
                start_time=at,
                end_time=at + draw(st.sampled_from([0.0, 0.01, 0.125, 0.125, 0.25, 0.5, 1.0, 3.0])),
                is_drum=draw(st.integers(0, 30)) == 0,
            )
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)
    return sequence


RULES = st.builds(
    Extraction,
    min_bars=st.integers(0, 3),
    max_steps=st.integers(8, 80),
    min_unique_pitches=st.integers(0, 5),
    gap_bars=st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.0, 1.3, 2.0]),
)


@settings(max_examples=250, deadline=None)
@given(sequences(), RULES)
def test_any_sequence_gives_magentas_melodies(sequence, rules):
    assert by_kakeai(note_sequence_to_score(sequence), rules) == by_magenta(sequence, rules)


def score_of(rows, metre=(4, 4)):
    sequence = NoteSequence()
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for pitch, start, end in rows:
        sequence.notes.add(pitch=pitch, velocity=64, start_time=start, end_time=end)
    sequence.total_time = max((end for _, _, end in rows), default=0.0)
    return note_sequence_to_score(sequence)


SCALE = [(60 + i % 7, i * 0.5, i * 0.5 + 0.5) for i in range(32)]


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (score_of([*SCALE, (72, 0.5, 1.0)]), POLYPHONY),
        (score_of(SCALE[:20]), TOO_SHORT),
        (score_of([(60 + 12 * (pitch % 2), start, end) for pitch, start, end in SCALE]), TOO_FEW_PITCHES),
        (score_of(SCALE, (7, 32)), METRE),
        (score_of([]), NO_NOTES),
    ],
)
def test_what_is_dropped_is_counted_by_reason(score, reason):
    melodies, dropped = extract_melodies(score, Extraction())
    assert melodies == []
    assert dropped == {reason: 1}


def test_a_note_of_hours_costs_no_memory():
    score = score_of([*SCALE, (60, 16.0, 86_400.0)])
    (melody,), _ = extract_melodies(score, Extraction(max_steps=512))
    assert len(melody) == 512


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
