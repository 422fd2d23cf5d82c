"""Autoregressive sampling inside the graph: one call continues a whole batch of melodies."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kakeai.model.encodings.keys import squash, transpose
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling import draws
from kakeai.model.sampling.player import Performance, Player
from kakeai.music.melody import MAX_PITCH, MIN_PITCH, NO_EVENT

TensorLike = tf.Tensor | np.ndarray

FREE = -1  # in the place of a label that is not given
COLDEST, HOTTEST = 1e-6, 1e6  # temperatures; beyond them only the likeliest event, or only chance, is left


class Sample(NamedTuple):
    """What was played on.

    Attributes:
        melody: int32 [batch, steps], the added events at real pitches, padded with NO_EVENT on the right.
        log_likelihood: float32 [batch], natural logarithm of their probability under the model as trained.
    """

    melody: tf.Tensor
    log_likelihood: tf.Tensor


def generate(
    model: MelodyRnn,
    melody: TensorLike,
    length: TensorLike,
    steps: TensorLike,
    temperature: TensorLike,
    seed: TensorLike,
) -> Sample:
    """Continue each melody of a batch.

    A row's answer depends on that row alone: the same request gives the same melody in any batch.

    Args:
        model: The network and its configuration.
        melody: int32 [batch, primer], events at real pitches; what lies beyond `length` is not read.
        length: int32 [batch], steps of `melody` that count; none count as one step of silence.
        steps: int32 [batch], steps to add.
        temperature: float32 [batch], greater than 0; 1 samples from the model as trained.
        seed: int64 [batch].
    """
    melody, seed = tf.convert_to_tensor(melody), tf.convert_to_tensor(seed)
    length = tf.clip_by_value(tf.convert_to_tensor(length), 1, tf.maximum(tf.shape(melody)[1], 1))
    primer, moved = squash(_within(melody, length), model.config)
    player = Player(model, tf.shape(primer)[0])
    encoding = player.encoding
    given = encoding.classes(primer)

    num_steps = tf.reduce_max(tf.concat([steps, [0]], 0))
    num_places = tf.maximum(num_steps, 1)  # a stack of nothing would have no shape
    num_draws = tf.reduce_max(tf.concat([length + tf.maximum(steps, 1), [2]], 0)) - 1
    # not greater than 0: NaN too is as cold as can be
    temperature = tf.where(temperature > COLDEST, tf.minimum(temperature, HOTTEST), COLDEST)
    noise = draws.gumbel(seed, num_draws, encoding.num_classes, delay=length - 1)
    noise = temperature[:, None] * noise + player.network.bias
    # A primer's steps are drawn like the others, from noise that leaves no choice.
    forced = tf.where(tf.sequence_mask(length, tf.shape(given)[1]), given, FREE)
    beyond = tf.fill([tf.shape(given)[0], num_draws], FREE)
    forced = tf.concat([forced, beyond], axis=1)[:, 1 : num_draws + 1]
    noise += tf.one_hot(tf.transpose(forced), encoding.num_classes, np.inf)

    def add_step(
        i: tf.Tensor, performance: Performance, labels: tf.TensorArray, outputs: tf.TensorArray
    ) -> tuple[tf.Tensor, Performance, tf.TensorArray, tf.TensorArray]:
        output, performance = player.listen(performance)
        scores = tf.matmul(output, player.network.kernel) + tf.gather(noise, i)
        label = player.own_labels(performance, tf.argmax(scores, axis=1, output_type=tf.int32))
        return i + 1, player.play(performance, label), labels.write(i, label), outputs.write(i, output)

    labels = tf.TensorArray(tf.int32, num_draws, element_shape=[None])
    outputs = tf.TensorArray(tf.float32, num_draws, element_shape=[None, player.network.kernel.shape[0]])
    begun = player.play(player.begin(), given[:, 0])
    loop = (tf.constant(0), begun, labels, outputs)
    *_, labels, outputs = tf.while_loop(lambda i, *_: i < num_draws, add_step, loop)

    # Of all draws each row's own places, and no further than there are any.
    place = tf.minimum(tf.expand_dims(length - 1, 1) + tf.range(num_places), num_draws - 1)
    played = tf.concat([given[:, :1], tf.transpose(labels.stack())], axis=1)
    whole = tf.pad(encoding.events(played), [[0, 0], [encoding.window, 0]], constant_values=NO_EVENT)
    events, *repeated = (
        tf.gather(whole, encoding.window + 1 + place - distance, batch_dims=1)
        for distance in (0, *encoding.lookbacks)
    )
    heard = tf.gather(tf.transpose(outputs.stack(), [1, 0, 2]), place, batch_dims=1)
    log_probabilities = tf.nn.log_softmax(player.network.logits(heard))
    gained = encoding.log_likelihood(log_probabilities, events, repeated)
    counts = tf.sequence_mask(steps, num_places)
    added = transpose(tf.where(counts, events, NO_EVENT), -moved, MIN_PITCH, MAX_PITCH + 1)
    return Sample(added[:, :num_steps], tf.reduce_sum(tf.where(counts, gained, 0.0), axis=1))


def score(model: MelodyRnn, melody: TensorLike, length: TensorLike) -> tf.Tensor:
    """Return float32 [batch]: log-likelihood of each melody after its first event, under the model as trained.

    Args:
        model: The network and its configuration.
        melody: int32 [batch, time], events at real pitches.
        length: int32 [batch], steps of `melody` that count.
    """
    squashed, _ = squash(_within(melody, length), model.config)
    gained = log_likelihoods(model, squashed)
    counts = tf.sequence_mask(length - 1, tf.shape(gained)[1], gained.dtype)
    return tf.reduce_sum(gained * counts, axis=1)


def log_likelihoods(model: MelodyRnn, melody: TensorLike) -> tf.Tensor:
    """Return float32 [batch, time - 1]: log-probability of each event after the first.

    Args:
        model: The network and its configuration.
        melody: int32 [batch, time], squashed into the model's range.
    """
    encoding = encoding_of(model.config)
    history = encoding.histories(melody[:, :-1])
    log_probabilities = tf.nn.log_softmax(model(encoding.inputs(history)))
    return encoding.log_likelihood(log_probabilities, melody[:, 1:], encoding.repeated(history))


def _within(melody: TensorLike, length: TensorLike) -> tf.Tensor:
    # A server that pads batches may fill with anything; what is beyond a row's length is silence to us, and one
    # column of it is always there, so that no primer is without a first step.
    held = tf.where(tf.sequence_mask(length, tf.shape(melody)[1]), melody, NO_EVENT)
    return tf.pad(tf.clip_by_value(held, NO_EVENT, MAX_PITCH), [[0, 0], [0, 1]], constant_values=NO_EVENT)
