"""Predictions of held-out events, against the model's likelihoods of whole melodies."""

import numpy as np
import pytest
import tensorflow as tf

from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.data.batches import pad
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.measuring.figures import count, figures
from kakeai.model.measuring.held_out import (
    Prediction,
    event_figures,
    of_tunes,
    predict,
    predict_by_ngram,
    squashed,
)
from kakeai.model.measuring.ngram import Ngram
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.sampler import log_likelihoods, score


def tunes(number, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        pitches = 60 + np.abs(np.cumsum(rng.integers(-2, 3, 10)) % 16 - 8)
        bars = np.full((10, 2), -2, np.int8)
        bars[:, 0] = np.where(rng.random(10) < 0.1, -1, pitches)
        # A bar and something, twice over, so that repeats have something to say.
        made.append(np.tile(bars.ravel(), 2)[: rng.integers(24, 40)])
    return made


@pytest.fixture(scope="module", params=CONFIGS)
def model(request):
    return MelodyRnn(config_named(request.param, "rnn_layer_sizes=[16]"), seed=3)


def test_likelihoods_are_those_of_the_score_signature(model):
    melodies = squashed(tunes(5), model.config)
    predictions, _ = predict(model, melodies)
    batch = pad(melodies)
    expected = score(model, tf.constant(batch.melody), tf.constant(batch.length)).numpy()
    for melody, prediction, total in zip(melodies, predictions, expected, strict=True):
        np.testing.assert_array_equal(prediction.event, melody[1:])
        assert prediction.log_likelihood.sum() == pytest.approx(total, rel=1e-4)


def test_likeliest_event_is_that_of_trying_all(model):
    (melody,) = squashed(tunes(1), model.config)
    ((_, likeliest, _),), _ = predict(model, [melody])
    alphabet = np.array([-2, -1, *range(model.config.min_note, model.config.max_note)])
    for step in (1, 17, len(melody) - 1):
        tried = np.tile(melody[: step + 1].astype(np.int32), (len(alphabet), 1))
        tried[:, step] = alphabet
        gained = log_likelihoods(model, tf.constant(tried)).numpy()[:, -1]
        assert np.exp(gained).sum() == pytest.approx(1, abs=1e-5)
        assert gained[alphabet == likeliest[step - 1]] == pytest.approx(gained.max(), abs=1e-5)


def test_label_figures_are_those_of_the_labels(model):
    melodies = squashed(tunes(70), model.config)  # more than a batch, of several lengths
    _, in_batches = predict(model, melodies)
    encoding, batch = encoding_of(model.config), pad(melodies)
    inputs, labels = encoding.encode(batch.melody)
    counts = count(model(inputs), labels, tf.constant(batch.length - 1), encoding.no_event_label)
    np.testing.assert_allclose(in_batches, figures(counts.numpy()), rtol=1e-4)


def test_ngram_predicts_the_same_events():
    config = config_named("basic_rnn")
    training, melodies = squashed(tunes(40, seed=1), config), squashed(tunes(5), config)
    ngram = Ngram(training, config.min_note, config.max_note)
    for melody, (event, likeliest, log_likelihood), rows in zip(
        melodies, predict_by_ngram(ngram, melodies), ngram.predict(melodies), strict=True
    ):
        np.testing.assert_array_equal(event, melody[1:])
        np.testing.assert_array_equal(ngram.indices(likeliest), rows.argmax(axis=1))
        np.testing.assert_allclose(
            np.exp(log_likelihood), [r[i] for r, i in zip(rows, ngram.indices(event), strict=True)]
        )


def prediction(events, likeliest, probability):
    return Prediction(np.array(events), np.array(likeliest), np.log(np.full(len(events), probability)))


def test_event_figures_by_hand():
    figures = event_figures(
        [prediction([60, -2, -2, -1], [60, -2, 62, -2], 0.5), prediction([62, -2], [64, -2], 0.25)]
    )
    assert figures.event_accuracy == pytest.approx(1 / 3)  # of 60, note-off and 62
    assert figures.no_event_accuracy == pytest.approx(2 / 3)
    assert figures.nll_per_step == pytest.approx(np.log(2) * (4 + 2 * 2) / 6)
    assert figures.nll_per_note == pytest.approx(np.log(2) * (4 + 2 * 2) / 2)


def test_event_figures_of_nothing_are_numbers():
    assert np.isfinite(event_figures([prediction([-2, -2], [-2, -2], 0.5)])).all()
    assert np.isfinite(event_figures([prediction([60], [60], 0.5)])).all()
    assert np.isfinite(event_figures([prediction([], [], 0.5)])).all()


def test_tunes_sum_up_their_melodies():
    predictions = [prediction([60] * n, [60] * n, 0.5) for n in (3, 4, 5)]
    scores = of_tunes(predictions, ["b.mid", "a.mid", "b.mid"])
    assert scores.sources == ["a.mid", "b.mid"]
    assert scores.steps.tolist() == [4, 8]
    np.testing.assert_allclose(scores.log_likelihood, [4 * np.log(0.5), 8 * np.log(0.5)])
