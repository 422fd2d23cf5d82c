"""Random draws that depend on a row's own seed alone, so that a row gets the same ones in any batch.

TensorFlow's stateless generators take one seed for a whole tensor. Here each (seed, number of the draw) is mixed by
SplitMix64's finaliser (Steele, Lea and Flood 2014, https://doi.org/10.1145/2660193.2660195).
"""

import numpy as np
import tensorflow as tf

UNIFORM_BITS = 23  # with the half added below, all that float32's 24 bits can tell apart


def gumbel(seed: tf.Tensor, steps: tf.Tensor, num_classes: int, delay: tf.Tensor | int = 0) -> tf.Tensor:
    """Return float32 [steps, batch, num_classes], each from the standard Gumbel distribution.

    The class whose logit plus draw is largest is a sample from softmax(logits); a temperature multiplies the draws
    (Maddison, Tarlow and Minka 2014, https://arxiv.org/abs/1411.0030).

    Args:
        seed: int64 [batch].
        steps: int32 [], how many draws of a class; a step's draws are the same whatever their number.
        num_classes: How many logits there are.
        delay: int32 [batch], steps that go by before a row's first; what is drawn in them is its own, too.
    """
    first = -num_classes * tf.cast(delay, tf.int64)
    uniform_draws = tf.reshape(uniform(seed, steps * num_classes, first), [-1, steps, num_classes])
    return -tf.math.log(-tf.math.log(tf.transpose(uniform_draws, [1, 0, 2])))


def uniform(seed: tf.Tensor, number: tf.Tensor, first: tf.Tensor | int = 0) -> tf.Tensor:
    """Return float32 [batch, number] in (0, 1).

    Args:
        seed: int64 [batch].
        number: int32 [], draws for each seed.
        first: int64 [batch], number of the first draw, which may be negative.
    """
    place = tf.expand_dims(tf.zeros_like(seed) + first, 1) + tf.cast(tf.range(1, number + 1), tf.int64)
    # The seed is mixed once by itself, so that neighbouring seeds do not share a shifted row of draws.
    own = tf.expand_dims(_mix(tf.bitcast(seed, tf.uint64)), 1)
    mixed = own + tf.bitcast(place, tf.uint64) * _constant(0x9E3779B97F4A7C15)
    bits = tf.bitwise.right_shift(_mix(mixed), _constant(64 - UNIFORM_BITS))
    return (tf.cast(tf.cast(bits, tf.int32), tf.float32) + 0.5) * 2.0**-UNIFORM_BITS


def _constant(value: int) -> tf.Tensor:
    return tf.constant(np.uint64(value))


def _mix(bits: tf.Tensor) -> tf.Tensor:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _constant(shift)))
        bits = bits * _constant(factor)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, _constant(31)))
