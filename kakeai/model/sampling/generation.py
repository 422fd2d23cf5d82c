"""Finished melodies, one after the other: a primer, and what a model plays on."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kakeai.model.encodings.keys import squash, transpose
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.beam_search import Beam, continue_melody
from kakeai.model.sampling.sampler import generate
from kakeai.music.melody import MAX_PITCH, MIN_PITCH

ROWS_AT_ONCE = 64  # melodies played side by side; more gain little speed and take memory


def melodies(
    model: MelodyRnn, primer: np.ndarray, steps: int, number: int, temperature: float, seed: int, beam: Beam
) -> Iterator[np.ndarray]:
    """Yield melodies, int8 [primer + steps]; the first is played with `seed`, the others with the numbers after it.

    Each begins with the primer as the model hears it: notes out of its range are moved by octaves, as in Magenta.

    Args:
        model: The network and its configuration.
        primer: int8 [primer], events at real pitches, one at least.
        steps: Steps to add, 1 or more.
        number: How many melodies.
        temperature: Greater than 0; 1 samples from the model as trained.
        seed: Of the first melody.
        beam: How each is searched for; sampled where a search has but one row.
    """

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int64)])
    def play(seeds: tf.Tensor) -> tf.Tensor:
        if beam.rows > 1:
            return continue_melody(model, tf.constant(events), steps, temperature, seeds, beam)
        count = tf.shape(seeds)
        return generate(
            model,
            tf.repeat(tf.constant(events[None]), count[0], axis=0),
            tf.fill(count, len(events)),
            tf.fill(count, steps),
            tf.fill(count, np.float32(temperature)),
            seeds,
        ).melody

    events = primer.astype(np.int32)
    squashed, moved = squash(tf.constant(events[None]), model.config)
    heard = transpose(squashed, -moved, MIN_PITCH, MAX_PITCH + 1).numpy()[0]
    chunk = max(1, ROWS_AT_ONCE // beam.rows)
    for begin in range(0, number, chunk):
        seeds = np.arange(begin, min(begin + chunk, number), dtype=np.int64) + seed
        for added in play(tf.constant(seeds)).numpy():
            yield np.concatenate([heard, added]).astype(np.int8)
