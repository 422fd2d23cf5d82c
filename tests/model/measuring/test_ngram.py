"""The n-gram against its definition, written down with dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.model.measuring.ngram import EVENTS, STRENGTHS, TRIED_ON_EVERY, WITTEN_BELL, Ngram

MIN_NOTE, MAX_NOTE = 60, 66
EVENT = st.sampled_from([-2, -2, -2, -1, 60, 62, 64, 65])
MELODIES = st.lists(st.lists(EVENT, max_size=40).map(lambda events: np.array(events, np.int8)), max_size=8)


def contexts(events, step):
    """All contexts of a step, shortest first: distances and events, the newest first."""
    happened = [(at, event) for at, event in enumerate(events[:step]) if event != -2][::-1]
    context, until = (), step
    found = [context]
    for back in range(EVENTS):
        at, event = happened[back] if back < len(happened) else (0, None)
        context += (until - at,)
        found.append(context)
        context += (event,)
        found.append(context)
        until = at
    return found


def expected(training, strengths, melody, step):
    counts = [defaultdict(Counter) for _ in strengths]
    for other in training:
        for at in range(1, len(other)):
            for order, context in enumerate(contexts(other.tolist(), at)):
                counts[order][context][int(other[at])] += 1
    alphabet = [-2, -1, *range(MIN_NOTE, MAX_NOTE)]
    probability = dict.fromkeys(alphabet, 1 / len(alphabet))
    for order, context in enumerate(contexts(melody.tolist(), step)):
        seen = counts[order].get(context)
        if seen:
            weight = strengths[order] * len(seen)
            probability = {
                event: (seen[event] + weight * shorter) / (seen.total() + weight)
                for event, shorter in probability.items()
            }
    return [probability[event] for event in alphabet]


@settings(max_examples=60, deadline=None)
@given(training=MELODIES, melodies=MELODIES)
def test_probabilities_sum_to_one_and_none_is_zero(training, melodies):
    ngram = Ngram(training, MIN_NOTE, MAX_NOTE)
    predicted = list(ngram.predict(melodies))
    assert [len(rows) for rows in predicted] == [max(len(melody) - 1, 0) for melody in melodies]
    for rows in predicted:
        assert (rows > 0).all()
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(training=MELODIES, melodies=MELODIES)
def test_probabilities_are_those_of_the_definition(training, melodies):
    ngram = Ngram(training, MIN_NOTE, MAX_NOTE)
    for melody, rows in zip(melodies, ngram.predict(melodies), strict=True):
        for step in range(1, len(melody), 5):
            np.testing.assert_allclose(
                rows[step - 1], expected(training, ngram.strengths, melody, step), rtol=1e-9
            )


@settings(max_examples=30, deadline=None)
@given(training=MELODIES, melody=st.lists(EVENT, min_size=4, max_size=40), cut=st.integers(2, 39))
def test_what_comes_later_does_not_count(training, melody, cut):
    ngram = Ngram(training, MIN_NOTE, MAX_NOTE)
    whole, begun = ngram.predict([np.array(melody, np.int8), np.array(melody[:cut], np.int8)])
    np.testing.assert_array_equal(whole[: len(begun)], begun)


def test_events_and_their_places():
    ngram = Ngram([], MIN_NOTE, MAX_NOTE)
    events = np.array([-2, -1, 60, 65])
    assert ngram.indices(events).tolist() == [0, 1, 2, 7]
    np.testing.assert_array_equal(ngram.events(ngram.indices(events)), events)


def test_a_tune_that_is_always_the_same_is_learnt():
    tune = np.array([60, -2, 62, -2, 64, 65, 64, -2] * 8, np.int8)
    ngram = Ngram([tune] * 20, MIN_NOTE, MAX_NOTE)
    (rows,) = ngram.predict([tune])
    assert rows[np.arange(8, len(rows)), ngram.indices(tune[9:])].min() > 0.95


@pytest.fixture
def walks():
    rng = np.random.default_rng(1)

    def walk():
        pitches = 60 + np.abs(np.cumsum(rng.integers(-1, 2, 24)) % 10 - 5)
        return np.stack([pitches, np.full(24, -2)], axis=1).ravel().astype(np.int8)

    return [walk() for _ in range(200)]


def log_likelihood(ngram, melodies):
    return sum(
        np.log(rows[np.arange(len(rows)), ngram.indices(melody[1:])]).sum()
        for melody, rows in zip(melodies, ngram.predict(melodies), strict=True)
    )


def test_chosen_strengths_serve_unseen_melodies_better_than_witten_and_bells(walks):
    ngram = Ngram(walks[:100], 60, 66)
    assert set(ngram.strengths) <= set(STRENGTHS)
    chosen = log_likelihood(ngram, walks[100:])
    ngram.strengths = [WITTEN_BELL] * len(ngram.strengths)
    assert chosen > log_likelihood(ngram, walks[100:])


def test_more_melodies_help(walks):
    few, many = Ngram(walks[:TRIED_ON_EVERY], 60, 66), Ngram(walks[:100], 60, 66)
    assert log_likelihood(many, walks[100:]) > log_likelihood(few, walks[100:])
