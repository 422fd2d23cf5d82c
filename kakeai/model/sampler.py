"""Autoregressive sampling inside the graph: one call continues a whole batch of melodies."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kakeai.model.encodings import Encoding, History, encoding_of, squash, transpose
from kakeai.model.network import MelodyRnn, State
from kakeai.music.melody import MAX_PITCH, MIN_PITCH, NO_EVENT

TensorLike = tf.Tensor | np.ndarray


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
    encoding = encoding_of(model.config)
    seed = tf.convert_to_tensor(seed)
    length = tf.clip_by_value(tf.convert_to_tensor(length), 1, tf.maximum(tf.shape(melody)[1], 1))
    primer, moved = squash(_within(melody, length), model.config)
    history, logits, state = _prefill(model, encoding, primer, length)
    num_steps = tf.reduce_max(tf.concat([steps, [0]], 0))
    num_draws = tf.maximum(num_steps, 1)  # a stack of nothing would have no shape
    draws = uniform(seed, num_draws)
    temperature = tf.maximum(temperature, _COLDEST)[:, None]

    def add_step(
        i: tf.Tensor,
        history: History,
        logits: tf.Tensor,
        state: State,
        events: tf.TensorArray,
        log_likelihood: tf.Tensor,
    ) -> tuple[tf.Tensor, History, tf.Tensor, State, tf.TensorArray, tf.Tensor]:
        classes = _draw(logits / temperature, draws[:, i])
        event = encoding.next_events(classes, history)
        gained = encoding.log_likelihood(tf.nn.log_softmax(logits), event, history)
        log_likelihood += tf.where(i < steps, gained, 0.0)
        events = events.write(i, tf.where(i < steps, event, NO_EVENT))
        history = encoding.extend(history, event)
        logits, state = model.step(encoding.inputs(history), state)
        return i + 1, history, logits, state, events, log_likelihood

    events = tf.TensorArray(tf.int32, size=num_draws, element_shape=[None])
    loop = (tf.constant(0), history, logits, state, events, tf.zeros_like(temperature[:, 0]))
    *_, events, log_likelihood = tf.while_loop(lambda i, *_: i < num_draws, add_step, loop)
    added = tf.transpose(events.stack())[:, :num_steps]
    return Sample(transpose(added, -moved, MIN_PITCH, MAX_PITCH + 1), log_likelihood)


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
    return encoding.log_likelihood(log_probabilities, melody[:, 1:], history)


def uniform(seed: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Return float32 [batch, steps] in [0, 1): a row of draws for each seed, the same in any batch.

    TensorFlow's stateless generators take one seed for a whole tensor. Here each (seed, step) is mixed by
    SplitMix64's finaliser (Steele, Lea and Flood 2014, https://doi.org/10.1145/2660193.2660195).

    Args:
        seed: int64 [batch].
        steps: int32 [], how many draws.
    """
    counter = tf.cast(tf.range(1, steps + 1), tf.uint64)
    # The seed is mixed once by itself, so that neighbouring seeds do not share a shifted row of draws.
    mixed = _mix(tf.bitcast(seed, tf.uint64))[:, None] + counter[None, :] * _constant(0x9E3779B97F4A7C15)
    bits = tf.bitwise.right_shift(_mix(mixed), _constant(64 - _MANTISSA_BITS))
    return tf.cast(tf.cast(bits, tf.int64), tf.float32) * np.float32(2.0**-_MANTISSA_BITS)


_COLDEST = 1e-6  # temperature; below it the likeliest event is all that is left, and float32 overflows
_MANTISSA_BITS = 24  # of float32


def _constant(value: int) -> tf.Tensor:
    return tf.constant(np.uint64(value))


def _mix(bits: tf.Tensor) -> tf.Tensor:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _constant(shift)))
        bits = bits * _constant(factor)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _constant(31)))


def _within(melody: TensorLike, length: TensorLike) -> tf.Tensor:
    # A server that pads batches may fill with anything; what is beyond a row's length is silence to us, and one
    # column of it is always there, so that no primer is without a first step.
    held = tf.where(tf.sequence_mask(length, tf.shape(melody)[1]), melody, NO_EVENT)
    return tf.pad(tf.clip_by_value(held, NO_EVENT, MAX_PITCH), [[0, 0], [0, 1]], constant_values=NO_EVENT)


def _prefill(
    model: MelodyRnn, encoding: Encoding, primer: tf.Tensor, length: tf.Tensor
) -> tuple[History, tf.Tensor, State]:
    # Feeds the primers to the network. They are aligned on the right, so that all of them end at the same step;
    # a row's state stays zero until its primer begins.
    batch, width = tf.shape(primer)[0], tf.reduce_max(length)
    histories = encoding.histories(primer)
    start = width - length
    source = tf.maximum(tf.range(width)[None, :] - start[:, None], 0)
    inputs = tf.transpose(tf.gather(encoding.inputs(histories), source, batch_dims=1), [1, 0, 2])

    def feed(i: tf.Tensor, _: tf.Tensor, state: State) -> tuple[tf.Tensor, tf.Tensor, State]:
        logits, next_state = model.step(inputs[i], state)
        began = i >= start
        kept = tf.nest.map_structure(
            lambda new: tf.where(tf.reshape(began, [-1] + [1] * (len(new.shape) - 1)), new, 0.0), next_state
        )
        return i + 1, logits, kept

    logits = tf.zeros([batch, encoding.num_classes])
    loop = (tf.constant(0), logits, model.initial_state(batch))
    _, logits, state = tf.while_loop(lambda i, *_: i < width, feed, loop)
    newest = tf.nest.map_structure(
        lambda column: tf.gather(column, length - 1, batch_dims=1), tuple(histories)
    )
    return History(*newest), logits, state


def _draw(logits: tf.Tensor, uniform_draw: tf.Tensor) -> tf.Tensor:
    # logits [batch, classes], uniform_draw [batch] → int32 [batch], by inverting the cumulative distribution.
    cumulative = tf.cumsum(tf.nn.softmax(logits), axis=-1)
    below = cumulative <= uniform_draw[:, None] * cumulative[:, -1:]
    return tf.reduce_sum(tf.cast(below, tf.int32), axis=-1)
