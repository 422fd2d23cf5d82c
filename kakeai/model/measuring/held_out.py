"""How well the held-out melodies are predicted, event by event, by the model and by an n-gram.

Several labels of the lookback and key encodings can mean one event (its own, a repeat of one bar ago, of
two), so figures over labels cannot be compared between configurations, nor with anything but a network.
Figures over events can.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kakeai.model.configs import Config
from kakeai.model.data.batches import pad
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.measuring.advantage import TuneScores, by_tune
from kakeai.model.measuring.figures import Figures, count, figures
from kakeai.model.measuring.ngram import Ngram
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.music.melody import NO_EVENT

BATCH_SIZE = 64


class Prediction(NamedTuple):
    """What a predictor said of one melody's events after the first; each array is [steps - 1].

    Attributes:
        event: The true event, squashed into the model's range.
        likeliest: The event that was given the highest probability.
        log_likelihood: Natural logarithm of the probability that the true event was given.
    """

    event: np.ndarray
    likeliest: np.ndarray
    log_likelihood: np.ndarray


class EventFigures(NamedTuple):
    """How well events are predicted.

    Attributes:
        event_accuracy: Share of the notes and note-offs whose event was the likeliest one.
        no_event_accuracy: The same, over steps at which nothing happens.
        nll_per_step: Mean negative log-likelihood of a step, in nats.
        nll_per_note: Negative log-likelihood of all steps over the number of notes, in nats: what it costs
            to say which note comes and when.
    """

    event_accuracy: float
    no_event_accuracy: float
    nll_per_step: float
    nll_per_note: float


def squashed(melodies: Sequence[np.ndarray], config: Config) -> list[np.ndarray]:
    """Return the melodies (int8 [steps] each) moved into the model's key and range, in their order."""
    moved = []
    for begin in range(0, len(melodies), BATCH_SIZE):
        batch = pad(melodies[begin : begin + BATCH_SIZE])
        events = np.array(squash(batch.melody, config)[0])
        moved += [row[:length].astype(np.int8) for row, length in zip(events, batch.length, strict=True)]
    return moved


def predict(model: MelodyRnn, melodies: Sequence[np.ndarray]) -> tuple[list[Prediction], Figures]:
    """Let a network predict melodies.

    Args:
        model: The network.
        melodies: int8 [steps] each, squashed into its range, at least one; quickest where neighbours are alike in
            length.

    Returns:
        What it said of each melody, and Magenta's figures over labels.
    """
    encoding = encoding_of(model.config)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def of_batch(melody: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        history, events = encoding.histories(melody[:, :-1]), melody[:, 1:]
        logits = model(encoding.inputs(history))
        log_probabilities = tf.nn.log_softmax(logits)
        by_class = encoding.event_probabilities(tf.exp(log_probabilities), history)
        return (
            encoding.events(tf.argmax(by_class, axis=-1, output_type=tf.int32)),
            encoding.log_likelihood(log_probabilities, events, encoding.repeated(history)),
            count(logits, encoding.labels(events, history), length - 1, encoding.no_event_label),
        )

    predictions, counts = [], np.zeros(6)
    for begin in range(0, len(melodies), BATCH_SIZE):
        some = melodies[begin : begin + BATCH_SIZE]
        likeliest, log_likelihood, counted = (
            np.array(array) for array in of_batch(*map(tf.constant, pad(some)))
        )
        counts += counted
        predictions += [
            Prediction(melody[1:], likeliest[i, : len(melody) - 1], log_likelihood[i, : len(melody) - 1])
            for i, melody in enumerate(some)
        ]
    return predictions, figures(counts)


def predict_by_ngram(ngram: Ngram, melodies: Sequence[np.ndarray]) -> list[Prediction]:
    """Let an n-gram predict melodies (int8 [steps] each, squashed as those it was trained on)."""
    predictions = []
    for melody, probabilities in zip(melodies, ngram.predict(melodies), strict=True):
        events = ngram.indices(melody[1:])
        given = probabilities[np.arange(len(events)), events]
        likeliest = ngram.events(probabilities.argmax(axis=1))
        predictions.append(Prediction(melody[1:], likeliest, np.log(given)))
    return predictions


def event_figures(predictions: Iterable[Prediction]) -> EventFigures:
    """Return the figures over all steps of all melodies; a share of nothing is 0."""
    event, likeliest, log_likelihood = (np.concatenate(arrays) for arrays in zip(*predictions, strict=True))
    is_right, is_event = likeliest == event, event != NO_EVENT
    cost = -float(log_likelihood.sum(dtype=np.float64))
    return EventFigures(
        event_accuracy=float(is_right[is_event].mean()) if is_event.any() else 0.0,
        no_event_accuracy=float(is_right[~is_event].mean()) if not is_event.all() else 0.0,
        nll_per_step=cost / max(len(event), 1),
        nll_per_note=cost / max(int((event >= 0).sum()), 1),
    )


def of_tunes(predictions: Sequence[Prediction], sources: Sequence[str]) -> TuneScores:
    """Return the likelihoods of tunes, given what was said of each melody and the file that it is from."""
    return by_tune(
        sources,
        np.array([len(prediction.event) for prediction in predictions], np.int64),
        np.array([prediction.log_likelihood.sum(dtype=np.float64) for prediction in predictions]),
    )
