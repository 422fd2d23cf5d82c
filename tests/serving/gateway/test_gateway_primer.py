"""Notes to primers and melodies to notes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kakeai.music.melody import NO_EVENT, NOTE_OFF, STEPS_PER_QUARTER, notes_from_melody
from kakeai.music.score import make_notes
from serving.gateway.play.dynamics import mean_velocity
from serving.gateway.play.primer import (
    PRIMER_STEPS,
    line,
    recent,
    steps_at,
    steps_to_the_beat,
    top_voice,
    worth_keeping,
)

QPM = 120.0  # a step is 0.125 s
_melodies = st.lists(st.integers(NO_EVENT, 127), min_size=1, max_size=200).map(lambda e: np.array(e, np.int8))


def _sounding(melody):
    """(pitch, first step, last step) of the notes of a melody."""
    notes = notes_from_melody(melody, QPM)
    return {(int(n["pitch"]), steps_at(n["start"], QPM), steps_at(n["end"], QPM)) for n in notes}


@given(st.lists(_melodies, max_size=5))
def test_in_one_line_every_melody_sounds_as_it_does_alone(melodies):
    expected, offset = set(), 0
    for melody in melodies:
        expected |= {(pitch, start + offset, end + offset) for pitch, start, end in _sounding(melody)}
        offset += melody.size
    joined = line(melodies)
    assert joined.size == offset
    assert _sounding(joined) == expected


def test_a_held_note_ends_with_its_own_turn_and_silence_stays_unmarked():
    held, silent = np.array([60, NO_EVENT], np.int8), np.full(2, NO_EVENT, np.int8)
    assert line([held, silent, silent]).tolist() == [60, NO_EVENT, NOTE_OFF, NO_EVENT, NO_EVENT, NO_EVENT]
    assert line([silent, silent]).tolist() == [NO_EVENT] * 4


@given(st.integers(0, 2000), st.integers(1, 64))
def test_a_primer_is_the_longest_end_of_whole_bars_that_fits(steps, bar):
    melody = (np.arange(steps) % 128).astype(np.int8)
    heard = recent(melody, bar)
    assert heard.size <= PRIMER_STEPS
    assert heard.size == steps or (steps - heard.size) % bar == 0
    assert heard.size == steps or heard.size > PRIMER_STEPS - bar
    np.testing.assert_array_equal(heard, melody[steps - heard.size :])


@given(st.lists(_melodies, max_size=20))
def test_what_is_kept_makes_the_same_primer(melodies):
    kept = worth_keeping(melodies)
    np.testing.assert_array_equal(recent(line(kept)), recent(line(melodies)))
    assert sum(melody.size for melody in kept[1:]) <= PRIMER_STEPS


@given(st.integers(0, 400), st.floats(-0.4, 0.4), st.floats(10, 500))
def test_a_call_ends_on_the_beat_after_its_last_step(end_step, off_the_grid, qpm):
    seconds = max(end_step + off_the_grid, 0.01) * 60 / qpm / STEPS_PER_QUARTER
    steps = steps_to_the_beat(make_notes([(60, 100, 0.0, seconds)]), qpm)
    assert steps % STEPS_PER_QUARTER == 0
    assert end_step <= steps < max(end_step, 1) + STEPS_PER_QUARTER


def test_an_empty_call_lasts_a_beat_and_has_the_usual_loudness():
    nothing = make_notes([])
    assert steps_to_the_beat(nothing, QPM) == STEPS_PER_QUARTER
    assert mean_velocity(nothing) == 100
    assert mean_velocity(make_notes([(60, 40, 0, 1), (62, 51, 1, 2)])) in {45, 46}


def _voice(*rows):
    return top_voice(make_notes(rows), QPM)["pitch"].tolist()


def test_of_several_voices_the_top_one_is_heard():
    melody = [(72, 90, 0.0, 0.5), (74, 90, 0.5, 1.0), (76, 90, 1.0, 2.0)]
    bass = [(48, 90, 0.0, 2.0), (43, 90, 1.25, 1.75)]
    chord = [(67, 90, 0.5, 1.0), (64, 90, 0.5, 1.0)]
    assert _voice(*melody, *bass, *chord) == [72, 74, 76]
    assert _voice((48, 90, 0.0, 2.0), (72, 90, 0.25, 2.0)) == [72]  # a bass that came in first
    assert _voice(*bass[:1], (72, 90, 1.5, 2.0)) == [48, 72]  # one that was alone for most of its time


def test_legato_is_one_voice():
    assert _voice((64, 90, 0.0, 0.6), (62, 90, 0.5, 1.1), (60, 90, 1.0, 1.5)) == [64, 62, 60]
    assert _voice((60, 90, 0.0, 0.5), (60, 90, 0.5, 1.0), (60, 90, 0.9, 1.5)) == [60, 60, 60]


@given(_melodies)
def test_a_melody_is_its_own_top_voice(melody):
    notes = notes_from_melody(melody, QPM)
    np.testing.assert_array_equal(top_voice(notes, QPM), notes)
