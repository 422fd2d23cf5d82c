"""The player's loudness and swing on an answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakeai.music.melody import melody_from_notes, notes_from_melody
from kakeai.music.score import make_notes
from serving.gateway.play.dynamics import sounded

QPM = 120.0  # a step is 0.125 s
STEP = 0.125
HELD = [-2] * 3


def _rows(notes):
    return [(int(n["pitch"]), int(n["velocity"]), float(n["start"]), float(n["end"])) for n in notes]


def test_an_answer_follows_velocities_and_swing_of_its_call():
    # Quarters on the beat, strong; the eighths after them late by a third of a step, and soft.
    late = STEP / 3
    call = make_notes(
        [(60, 100, 0, 0.25), (62, 40, 0.25 + late, 0.5), (64, 100, 0.5, 0.75), (65, 40, 0.75 + late, 1.0)]
    )
    melody = np.array([67, -2, 69, -2, 71, -2, 72, -2], np.int8)
    expected = [
        (67, 100, 0, 0.25 + late),
        (69, 40, 0.25 + late, 0.5),
        (71, 100, 0.5, 0.75 + late),
        (72, 40, 0.75 + late, 1.0),
    ]
    answer = sounded(melody, QPM, call, 8, "follow")
    np.testing.assert_allclose(_rows(answer), expected, atol=1e-9)
    # A second round of it, and between the player's notes by straight lines.
    twice = sounded(np.array([-2] * 9 + [60] + HELD, np.int8), QPM, call, 8, "follow")
    assert twice["velocity"].tolist() == [70]
    assert twice["start"][0] == pytest.approx(9 * STEP + late / 2)


def test_flat_is_the_mean_on_the_grid():
    call = make_notes([(60, 30, 0.03, 0.5), (62, 50, 0.55, 1.0)])
    answer = sounded(np.array([60, -2, 62, -2], np.int8), QPM, call, 8, "flat")
    assert _rows(answer) == [(60, 40, 0, 0.25), (62, 40, 0.25, 0.5)]


def test_a_silent_call_has_nothing_to_follow():
    answer = sounded(np.array([60, -2, -1, -2], np.int8), QPM, make_notes([]), 4, "follow")
    assert _rows(answer) == [(60, 100, 0, 0.25)]


_calls = st.lists(
    st.tuples(st.integers(30, 90), st.integers(1, 127), st.floats(0, 4), st.floats(0.01, 1)), max_size=12
)


@given(_calls, st.lists(st.integers(-2, 127), min_size=1, max_size=64), st.floats(30, 300))
def test_a_followed_answer_is_heard_as_the_model_played_it(rows, events, qpm):
    call = make_notes([(pitch, velocity, start, start + length) for pitch, velocity, start, length in rows])
    melody = np.array(events, np.int8)
    flat, answer = (sounded(melody, qpm, call, 16, dynamics) for dynamics in ("flat", "follow"))
    assert (answer["start"] < answer["end"]).all()
    assert (answer["start"] >= 0).all()
    assert ((answer["velocity"] >= 1) & (answer["velocity"] <= 127)).all()
    heard = notes_from_melody(melody_from_notes(answer, qpm, melody.size), qpm)
    np.testing.assert_array_equal(heard["pitch"], flat["pitch"])
    np.testing.assert_allclose(heard["start"], flat["start"])
    np.testing.assert_allclose(heard["end"], flat["end"])
