"""Melodies that a model plays on, many at a time."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kakeai.model.data.batches import pad
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.sampler import Sample, generate

TEMPERATURE = 1.0  # the model as trained


def continuations(model: MelodyRnn, primers: Sequence[np.ndarray], steps: int, seed: int) -> list[np.ndarray]:
    """Return each primer (int8 [steps]) together with `steps` steps that the model plays on.

    The first one is played with `seed`, the others with the numbers after it.
    """

    @tf.function(autograph=False)
    def play(melody: tf.Tensor, length: tf.Tensor, steps: tf.Tensor, seeds: tf.Tensor) -> Sample:
        return generate(model, melody, length, steps, tf.fill(tf.shape(steps), TEMPERATURE), seeds)

    batch = pad(primers)
    size = len(primers)
    answers = play(
        tf.constant(batch.melody),
        tf.constant(batch.length),
        tf.fill([size], steps),
        tf.range(seed, seed + size, dtype=tf.int64),
    ).melody.numpy()
    return [
        np.concatenate([primer, answer.astype(np.int8)])
        for primer, answer in zip(primers, answers, strict=True)
    ]
