"""The melodies of a score. The oracle is Magenta's own pipeline."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from note_seq import NoteSequence

from kakeai.errors import KakeaiError
from kakeai.model.data.note_sequence_bytes import note_sequence_bytes
from kakeai.model.data.note_sequences import note_sequence_to_score
from kakeai.music.extraction import (
    DRUMS,
    MAGENTA,
    METRE,
    NO_NOTES,
    POLYPHONY,
    TOO_FEW_PITCHES,
    TOO_SHORT,
    Extraction,
    Polyphony,
    extract_melodies,
)
from kakeai.music.midi import read_midi

TOP = Extraction(polyphony=Polyphony.TOP)


def by_magenta(sequence, rules=MAGENTA):
    """The melodies that Magenta's melody_rnn pipeline encodes."""
    from magenta.pipelines import melody_pipelines, note_sequence_pipelines

    transposer = note_sequence_pipelines.TranspositionPipeline((0,))
    quantizer = note_sequence_pipelines.Quantizer(steps_per_quarter=4)
    extractor = melody_pipelines.MelodyExtractor(
        min_bars=rules.min_bars,
        max_steps=rules.max_steps,
        min_unique_pitches=rules.min_unique_pitches,
        gap_bars=rules.gap_bars,
        ignore_polyphonic_notes=rules.polyphony == Polyphony.TOP,
    )
    return [
        [int(event) for event in melody]
        for segment in note_sequence_pipelines.TimeChangeSplitter().transform(sequence)
        for quantised in quantizer.transform(segment)
        for transposed in transposer.transform(quantised)
        for melody in extractor.transform(transposed)
    ]


def by_kakeai(score, rules=MAGENTA):
    melodies = [stretch.melody for stretch in extract_melodies(score, rules) if stretch.melody is not None]
    assert all(melody.dtype == np.int8 for melody in melodies)
    return [melody.tolist() for melody in melodies]


@pytest.mark.parametrize("rules", [Extraction(), TOP])
def test_real_tunes_give_magentas_melodies(tunes, rules):
    total = 0
    for name, data in tunes.items():
        score = read_midi(data)
        (stored,) = note_sequence_bytes([score], [("", name)], "")
        expected = by_magenta(NoteSequence.FromString(stored), rules)
        assert by_kakeai(score, rules) == expected, name
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
    polyphony=st.sampled_from(Polyphony),
)


@settings(max_examples=250, deadline=None)
@given(sequences(), RULES)
def test_any_sequence_gives_magentas_melodies(sequence, rules):
    assert by_kakeai(note_sequence_to_score(sequence), rules) == by_magenta(sequence, rules)


def score_of(rows, metre=(4, 4), velocity=64, **fields):
    sequence = NoteSequence()
    sequence.time_signatures.add(numerator=metre[0], denominator=metre[1])
    for pitch, start, end in rows:
        sequence.notes.add(
            pitch=pitch, velocity=velocity, start_time=start, end_time=end, instrument=5, **fields
        )
    sequence.total_time = max((end for _, _, end in rows), default=0.0)
    return note_sequence_to_score(sequence)


SCALE = [(60 + i % 7, i * 0.5, i * 0.5 + 0.5) for i in range(32)]


@pytest.mark.parametrize(
    ("score", "reasons"),
    [
        (score_of([*SCALE, (72, 0.5, 1.0)]), [POLYPHONY]),
        (score_of(SCALE[:20]), [TOO_SHORT]),
        (score_of([(60 + 12 * (pitch % 2), start, end) for pitch, start, end in SCALE]), [TOO_FEW_PITCHES]),
        (score_of(SCALE, (7, 32)), [METRE]),
        (score_of(SCALE, velocity=0), [NO_NOTES]),
        (score_of(SCALE, is_drum=True), [DRUMS]),
        (
            score_of([*SCALE[:8], *[(60, 40.0, 41.0), (60, 41.0, 42.0), (64, 41.0, 42.0)]]),
            [TOO_SHORT, POLYPHONY],
        ),
        (score_of([]), []),
    ],
)
def test_each_stretch_without_a_melody_has_its_reason(score, reasons):
    stretches = list(extract_melodies(score, Extraction()))
    assert [stretch.dropped for stretch in stretches] == reasons
    assert all(stretch.melody is None and stretch.track == 5 for stretch in stretches)


def test_the_top_voice_is_taken_where_notes_begin_together():
    below = [(pitch - 12, start, end) for pitch, start, end in SCALE]
    (stretch,) = extract_melodies(score_of([*below, *SCALE]), TOP)
    assert stretch.melody is not None
    assert by_kakeai(score_of(SCALE)) == [stretch.melody.tolist()]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"max_steps": 0}, "--max-steps cannot be 0"),
        ({"gap_bars": -1.0}, "--gap-bars cannot be -1"),
        ({"gap_bars": float("nan")}, "--gap-bars cannot be nan"),
        ({"polyphony": "bottom"}, "bad value: 'bottom' is not a valid Polyphony"),
        ({"min_bars": "many"}, "bad value"),
        ({"bars": 3}, "unknown rule 'bars'.* known are min_bars, "),
    ],
)
def test_bad_rules_are_refused(rules, words):
    with pytest.raises(KakeaiError, match=words):
        Extraction.from_dict(rules)


def test_rules_come_through_json():
    rules = Extraction(min_bars=2, polyphony=Polyphony.TOP)
    through = json.loads(json.dumps({**asdict(rules), "max_steps": 512.0}))
    again = Extraction.from_dict(through)
    assert again == rules
    assert isinstance(again.max_steps, int)


def test_a_note_of_hours_costs_no_memory():
    (stretch,) = extract_melodies(score_of([*SCALE, (60, 16.0, 86_400.0)]), Extraction(max_steps=512))
    assert stretch.melody is not None
    assert len(stretch.melody) == 512
