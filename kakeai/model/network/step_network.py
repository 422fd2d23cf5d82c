"""`MelodyRnn` one step at a time, with as few operations as the graph can do.

A sampler's loop pays for every operation, so weights are put together before it, as constants: a layer's biases are the
last row of its kernel (its input always ends in a one), and the gates of an LSTM lie so that one sigmoid does for three
of them.
"""

# Keras knows its layers' parts by names that its stubs do not have.
# pyright: reportAttributeAccessIssue=false

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kakeai.model.network.melody_rnn import AttentionCell, LstmCell, MelodyRnn


class LstmState(NamedTuple):
    """What an LSTM carries on, each float32 [batch, units]."""

    carry: tf.Tensor
    hidden: tf.Tensor


class AttentionState(NamedTuple):
    """What an LSTM with attention carries on.

    Attributes:
        lstms: State of each LSTM within.
        attention: float32 [batch, units], what the last step saw of the outputs before it.
        outputs: float32 [batch, window, units], the last ones; that of step n lies at n modulo the window.
        keys: float32 [batch, window, units], what the attention compares them by.
    """

    lstms: tuple[LstmState, ...]
    attention: tf.Tensor
    outputs: tf.Tensor
    keys: tf.Tensor


NetworkState = tuple[Any, ...]  # for each layer, an LstmState or an AttentionState


class StepNetwork:
    """A model's layers, for one step of a batch.

    Args:
        model: Its weights as they are now become constants of the graph.
        batch: int32 [], melodies that are played at once.
    """

    def __init__(self, model: MelodyRnn, batch: tf.Tensor) -> None:
        """Put the weights together."""
        self.ones = tf.ones([batch, 1])
        self.layers = [
            _Attention(layer.cell, self.ones)
            if isinstance(layer.cell, AttentionCell)
            else _Lstm(layer.cell, self.ones)
            for layer in model.recurrent
        ]
        self.kernel = _value(model.to_logits.kernel)
        self.bias = _value(model.to_logits.bias)

    def begin(self) -> NetworkState:
        """Return the state before the first step."""
        return tuple(layer.begin() for layer in self.layers)

    def step(
        self, inputs: tf.Tensor, position: tf.Tensor, state: NetworkState
    ) -> tuple[tf.Tensor, NetworkState]:
        """Return the last layer's output, float32 [batch, units], and the next state.

        Args:
            inputs: float32 [batch, input_size].
            position: int32 [batch], index of the step.
            state: As `begin` or the step before gave it.
        """
        outputs, next_state = inputs, []
        for layer, layer_state in zip(self.layers, state, strict=True):
            outputs, layer_state = layer.step(outputs, position, layer_state)
            next_state.append(layer_state)
        return outputs, tuple(next_state)

    def logits(self, output: tf.Tensor) -> tf.Tensor:
        """Return float32 [..., num_classes] for what `step` gave, [..., units]."""
        return tf.matmul(output, self.kernel) + self.bias


class _Lstm:
    def __init__(self, cell: LstmCell, ones: tf.Tensor) -> None:
        self.units, self.ones = cell.units, ones
        kernels = [_value(cell.kernel), _value(cell.recurrent_kernel), _value(cell.bias)[None]]
        entry, forget, new, leave = np.split(np.concatenate(kernels), 4, axis=1)
        self.weights = np.concatenate([entry, forget, leave, new], axis=1)

    def begin(self) -> LstmState:
        nothing = tf.zeros([tf.shape(self.ones)[0], self.units])
        return LstmState(nothing, nothing)

    def step(self, inputs: tf.Tensor, position: tf.Tensor, state: LstmState) -> tuple[tf.Tensor, LstmState]:
        mixed = tf.matmul(tf.concat([inputs, state.hidden, self.ones], axis=1), self.weights)
        gates, new = tf.split(mixed, [3 * self.units, self.units], axis=1)
        entry, forget, leave = tf.split(tf.sigmoid(gates), 3, axis=1)
        carry = forget * state.carry + entry * tf.tanh(new)
        hidden = leave * tf.tanh(carry)
        return hidden, LstmState(carry, hidden)


class _Attention:
    # `AttentionCell`, whose window here is a ring: under softmax its order does not matter.

    def __init__(self, cell: AttentionCell, ones: tf.Tensor) -> None:
        self.units, self.window, self.ones = cell.units, cell.attn_length, ones
        self.lstms = [_Lstm(lstm, ones) for lstm in cell.lstms]
        self.input_weights = _with_bias(cell.input_projection)
        self.query_weights = _with_bias(cell.query_projection)
        self.output_weights = _with_bias(cell.output_projection)
        self.key_weights = _value(cell.key_weights)
        self.score_weights = _value(cell.score_weights)[:, None]
        self.ring_starts = self.window * tf.range(tf.shape(ones)[0])

    def begin(self) -> AttentionState:
        lstms = tuple(lstm.begin() for lstm in self.lstms)
        ring = tf.zeros([tf.shape(self.ones)[0], self.window, self.units])
        return AttentionState(lstms, lstms[-1].hidden, ring, ring)

    def step(
        self, inputs: tf.Tensor, position: tf.Tensor, state: AttentionState
    ) -> tuple[tf.Tensor, AttentionState]:
        outputs = tf.matmul(tf.concat([inputs, state.attention, self.ones], axis=1), self.input_weights)
        lstms = []
        for lstm, lstm_state in zip(self.lstms, state.lstms, strict=True):
            outputs, lstm_state = lstm.step(outputs, position, lstm_state)
            lstms.append(lstm_state)
        carried = [part for lstm_state in lstms for part in lstm_state]
        query = tf.matmul(tf.concat([*carried, self.ones], axis=1), self.query_weights)
        compared = tf.reshape(tf.tanh(state.keys + tf.expand_dims(query, 1)), [-1, self.units])
        scores = tf.reshape(tf.matmul(compared, self.score_weights), [-1, self.window])
        attention = _weighted_sum(_softmax(scores), state.outputs)
        output = tf.matmul(tf.concat([outputs, attention, self.ones], axis=1), self.output_weights)
        place = self.ring_starts + tf.math.floormod(position, self.window)
        kept = self._put(state.outputs, place, output)
        keys = self._put(state.keys, place, tf.matmul(output, self.key_weights))
        return output, AttentionState(tuple(lstms), attention, kept, keys)

    def _put(self, ring: tf.Tensor, place: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
        # Adding what is missing can be done in place, while TensorScatterUpdate always copies the ring.
        rows = tf.reshape(ring, [-1, self.units])
        missing = vectors - tf.gather(rows, place)
        places = tf.expand_dims(place, 1)
        rows = tf.raw_ops.ScatterNdNonAliasingAdd(input=rows, indices=places, updates=missing)
        return tf.reshape(rows, [-1, self.window, self.units])


def _value(variable: keras.Variable) -> np.ndarray:
    with tf.init_scope():  # a graph that is being made has no values
        return np.asarray(variable)


def _with_bias(layer: keras.layers.Dense) -> np.ndarray:
    return np.concatenate([_value(layer.kernel), _value(layer.bias)[None]], axis=0)


def _softmax(scores: tf.Tensor) -> tf.Tensor:
    # By hand: the fused operation goes through oneDNN, which costs a small tensor ten times as much.
    powers = tf.exp(scores - tf.reduce_max(scores, axis=1, keepdims=True))
    return powers / tf.reduce_sum(powers, axis=1, keepdims=True)


def _weighted_sum(weights: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    # [batch, window], [batch, window, units] → [batch, units]. The third version of the operation, since the second is
    # oneDNN's, which costs one row four times as much.
    rows = tf.raw_ops.BatchMatMulV3(x=tf.expand_dims(weights, 1), y=vectors, Tout=tf.float32)
    return tf.squeeze(rows, 1)
