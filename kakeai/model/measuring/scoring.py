"""Tunes scored by a SavedModel, whatever configuration it is of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from kakeai.model.data.batches import pad

BATCH_SIZE = 64


def score_melodies(saved_model: Path, melodies: Sequence[np.ndarray]) -> np.ndarray:
    """Return float64 [melodies]: log-likelihood of each after its first event, in nats, by its signature `score`.

    Args:
        saved_model: The SavedModel's folder.
        melodies: int8 [steps] each, at real pitches; quickest where neighbours are alike in length.

    Raises:
        Exception: Of many kinds, TensorFlow's: it does not load, or has no such signature.
    """
    loaded = tf.saved_model.load(str(saved_model))
    score = loaded.signatures["score"]
    scores = [np.zeros(0)]
    for begin in range(0, len(melodies), BATCH_SIZE):
        batch = pad(melodies[begin : begin + BATCH_SIZE])
        answer = score(melody=tf.constant(batch.melody), length=tf.constant(batch.length))
        scores.append(answer["log_likelihood"].numpy().astype(np.float64))
    return np.concatenate(scores)
