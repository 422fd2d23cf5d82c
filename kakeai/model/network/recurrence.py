"""The recurrences of the MelodyRNN family over whole melodies, with their gradients written out.

A recurrence is the part of a layer that has to go step by step; what does not (projections of the inputs, of the
outputs) is one matrix product over all steps, outside. Here TensorFlow's automatic gradient would keep every
intermediate tensor of every step and multiply weight gradients step by step; these keep a few, and sum the weights'
gradients over all steps in one product.

Everything is time-major: [time, batch, ...]. All of it compiles with XLA and runs without.
"""

# Keras and TensorFlow infer return types that their functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalSubscript=false

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kakeai.model.network.precision import product

Tensor = Any


def lstm(drive: Tensor, bias: Tensor, recurrent_kernel: Tensor, precision: str = "") -> Tensor:
    """Run an LSTM.

    Args:
        drive: float32 [time, batch, 4 units], what the inputs add to the gates (input, forget, new, output).
        bias: float32 [4 units], added to the gates at each step; beforehand it would take a pass over all of memory.
        recurrent_kernel: float32 [units, 4 units].
        precision: Of products, see `kakeai.model.network.precision`.

    Returns:
        Its outputs, float32 [time, batch, units].
    """
    run = tf.custom_gradient(lambda *arguments: _lstm(*arguments, precision))
    return run(*map(tf.convert_to_tensor, (drive, bias, recurrent_kernel)))


def _lstm(drive: Tensor, bias: Tensor, recurrent_kernel: Tensor, precision: str) -> tuple[Tensor, Callable]:
    time, batch = tf.shape(drive)[0], tf.shape(drive)[1]
    units = recurrent_kernel.shape[0]
    zeros = tf.zeros([batch, units])

    def forward(t: Tensor, hidden: Tensor, carry: Tensor, *arrays: tf.TensorArray) -> tuple:
        gates = _gates(drive[t] + product(hidden, recurrent_kernel, precision) + bias)
        hidden, carry = _lstm_step(gates, carry)
        return t + 1, hidden, carry, *_write(arrays, t, (hidden, carry, gates))

    *_, arrays = _loop(time, forward, (0, zeros, zeros, *_arrays(time, units, units, 4 * units)), 3)
    hiddens, carries, gates = (array.stack() for array in arrays)

    def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Transposed once: within the loop, XLA would do it at every step.
        before, transposed = _shifted(carries), tf.transpose(recurrent_kernel)

        def backward(
            i: Tensor, d_drive: Tensor, d_carry: Tensor, now: Tensor, carry: Tensor, d_drives: tf.TensorArray
        ) -> tuple:
            t = time - 1 - i
            d_hidden = upstream[t] + product(d_drive, transposed, precision)
            d_drive, d_carry = _lstm_step_gradient(now, carry, before[t], d_hidden, d_carry)
            earlier = tf.maximum(t - 1, 0)
            return i + 1, d_drive, d_carry, gates[earlier], before[t], d_drives.write(t, d_drive)

        # Written over the drive, which is needed no more: an array of zeros would have to be filled first.
        array = tf.TensorArray(tf.float32, time).unstack(drive)
        # A step's gates are fetched one step ahead: what XLA makes of fetching and splitting them at once has no
        # vector instructions.
        start = (0, tf.zeros([batch, 4 * units]), zeros, gates[-1], carries[-1], array)
        *_, arrays = _loop(time, backward, start, 5)
        d_drives = arrays[0].stack()
        d_kernel = _over_all_steps(_shifted(hiddens), d_drives, precision)
        return d_drives, tf.reduce_sum(d_drives, [0, 1]), d_kernel

    return hiddens, gradient


def attention(
    drive: Tensor,
    step_kernel: Tensor,
    output_bias: Tensor,
    query_kernel: Tensor,
    query_bias: Tensor,
    score_weights: Tensor,
    window: int,
    precision: str = "",
) -> Tensor:
    """Run an LSTM that looks back on its own last outputs.

    The products of a step are merged: what (hidden, attended) adds to the next gates, to the output, and to the key
    that the output will be found by.

    Args:
        drive: float32 [time, batch, 4 units], what inputs and biases add to the gates (input, forget, new, output).
        step_kernel: float32 [2 units, 6 units], (hidden, attended) → gates of the next step, output, key.
        output_bias: float32 [2 units], of output and key.
        query_kernel: float32 [2 units, units], (carry, hidden) → query.
        query_bias: float32 [units].
        score_weights: float32 [units].
        window: Outputs looked back on; those before the first are zeros, and are looked at like others.
        precision: Of products, see `kakeai.model.network.precision`.

    Returns:
        Its outputs, float32 [time, batch, units].
    """
    units = score_weights.shape[0]

    @tf.custom_gradient
    def run(
        drive: Tensor,
        step_kernel: Tensor,
        output_bias: Tensor,
        query_kernel: Tensor,
        query_bias: Tensor,
        score_weights: Tensor,
    ) -> tuple[Tensor, Callable]:
        time, batch = tf.shape(drive)[0], tf.shape(drive)[1]
        zeros, no_gates = tf.zeros([batch, units]), tf.zeros([batch, 4 * units])
        nothing = tf.zeros([window, batch, units])
        slots = tf.range(window)[:, None, None]

        def forward(
            t: Tensor, recurrent: Tensor, carry: Tensor, values: Tensor, keys: Tensor, *arrays: tf.TensorArray
        ) -> tuple:
            gates = _gates(drive[t] + recurrent)
            hidden, carry = _lstm_step(gates, carry)
            query = product(tf.concat([carry, hidden], 1), query_kernel, precision) + query_bias
            shares = tf.nn.softmax(_dot(tf.tanh(keys + query), score_weights), axis=0)
            attended = tf.reduce_sum(shares[..., None] * values, 0)
            state = tf.concat([hidden, attended], 1)
            merged = product(state, step_kernel, precision)
            outputs = merged[:, 4 * units :] + output_bias
            oldest = tf.equal(slots, t % window)
            value, key = tf.split(outputs, 2, axis=1)
            values, keys = tf.where(oldest, value, values), tf.where(oldest, key, keys)
            written = _write(arrays, t, (state, carry, gates, query, outputs, shares))
            return t + 1, merged[:, : 4 * units], carry, values, keys, *written

        arrays = _arrays(time, 2 * units, units, 4 * units, units, 2 * units)
        arrays += (tf.TensorArray(tf.float32, time, element_shape=[window, None]),)
        _, _, _, *rings, arrays = _loop(time, forward, (0, no_gates, zeros, nothing, nothing, *arrays), 5)
        states, carries, gates, queries, outputs, shares = (array.stack() for array in arrays)

        def gradient(upstream: Tensor) -> tuple[Tensor, ...]:
            before, overwritten = _shifted(carries), _shifted(outputs, window)

            def backward(
                i: Tensor,
                d_recurrent: Tensor,
                d_carry: Tensor,
                values: Tensor,
                keys: Tensor,
                d_values: Tensor,
                d_keys: Tensor,
                d_scores: Tensor,
                *arrays: tf.TensorArray,
            ) -> tuple:
                t = time - 1 - i
                newest = tf.equal(slots, t % window)
                # Every later step that looked back on this step's output and key has been here already.
                d_outputs = tf.concat(
                    [upstream[t] + tf.gather(d_values, t % window), tf.gather(d_keys, t % window)], 1
                )
                d_merged = tf.concat([d_recurrent, d_outputs], 1)
                d_state = product(d_merged, step_kernel, precision, transpose_b=True)
                d_hidden, d_attended = tf.split(d_state, 2, axis=1)
                value, key = tf.split(overwritten[t], 2, axis=1)
                values, keys = tf.where(newest, value, values), tf.where(newest, key, keys)
                share = shares[t]
                d_share = _dot(values * d_attended, tf.ones([units]))
                d_score = (share * (d_share - tf.reduce_sum(share * d_share, 0)))[..., None]
                angles = tf.tanh(keys + queries[t])
                d_angles = d_score * (1.0 - tf.square(angles))
                d_values = tf.where(newest, 0.0, d_values) + share[..., None] * d_attended
                d_keys = tf.where(newest, 0.0, d_keys) + d_angles * score_weights
                d_query = tf.reduce_sum(d_angles, 0) * score_weights
                d_scores += tf.reduce_sum(d_score * angles, 0)
                d_carry_hidden = product(d_query, query_kernel, precision, transpose_b=True)
                d_carry += d_carry_hidden[:, :units]
                d_hidden += d_carry_hidden[:, units:]
                d_drive, d_carry = _lstm_step_gradient(gates[t], carries[t], before[t], d_hidden, d_carry)
                written = _write(arrays, t, (d_drive, d_query, d_outputs))
                return i + 1, d_drive, d_carry, values, keys, d_values, d_keys, d_scores, *written

            start = (0, no_gates, zeros, *rings, nothing, nothing, zeros)
            *_, d_scores, arrays = _loop(
                time, backward, (*start, *_arrays(time, 4 * units, units, 2 * units)), 8
            )
            d_drives, d_queries, d_outputs = (array.stack() for array in arrays)
            d_next = tf.concat([d_drives[1:], tf.zeros_like(d_drives[:1])], 0)
            return (
                d_drives,
                _over_all_steps(states, tf.concat([d_next, d_outputs], -1), precision),
                tf.reduce_sum(d_outputs, [0, 1]),
                _over_all_steps(tf.concat([carries, states[..., :units]], -1), d_queries, precision),
                tf.reduce_sum(d_queries, [0, 1]),
                tf.reduce_sum(d_scores, 0),
            )

        return outputs[..., :units], gradient

    weights = (step_kernel, output_bias, query_kernel, query_bias, score_weights)
    return run(tf.convert_to_tensor(drive), *map(tf.convert_to_tensor, weights))


def _gates(sums: Tensor) -> Tensor:
    # [batch, 4 units] → the same, through the gates' functions: sigmoid(x) is (tanh(x / 2) + 1) / 2, and one function
    # for all four keeps XLA's loop free of branches.
    half = np.repeat(np.float32([0.5, 0.5, 1.0, 0.5]), sums.shape[1] // 4)
    return tf.tanh(sums * half) * half + (1.0 - half)


def _lstm_step(gates: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
    first, forget, new, output = tf.split(gates, 4, axis=1)
    carry = forget * carry + first * new
    return output * tf.tanh(carry), carry


def _lstm_step_gradient(
    gates: Tensor, carry: Tensor, carry_before: Tensor, d_hidden: Tensor, d_carry: Tensor
) -> tuple[Tensor, Tensor]:
    # The gradients of what went into the gates' functions, [batch, 4 units], and of the carry before.
    first, forget, new, output = tf.split(gates, 4, axis=1)
    bent = tf.tanh(carry)
    d_carry += d_hidden * output * (1.0 - tf.square(bent))
    d_sums = [
        d_carry * new * first * (1.0 - first),
        d_carry * carry_before * forget * (1.0 - forget),
        d_carry * first * (1.0 - tf.square(new)),
        d_hidden * bent * output * (1.0 - output),
    ]
    return tf.concat(d_sums, 1), d_carry * forget


def _dot(vectors: Tensor, weights: Tensor) -> Tensor:
    # [window, batch, units] · [units] → [window, batch]. XLA's product for the CPU uses vector instructions here, its
    # reduce_sum over the last axis does not.
    shape = tf.shape(vectors)
    return tf.reshape(tf.matmul(tf.reshape(vectors, [-1, shape[2]]), weights[:, None]), shape[:2])


def _loop(time: Tensor, step: Callable, start: tuple, num_states: int) -> tuple:
    # The last states, and the arrays behind them as a list.
    end = tf.while_loop(lambda t, *_: t < time, step, start, maximum_iterations=time)
    return *end[:num_states], end[num_states:]


def _arrays(time: Tensor, *sizes: int) -> tuple[tf.TensorArray, ...]:
    return tuple(tf.TensorArray(tf.float32, time, element_shape=[None, size]) for size in sizes)


def _write(arrays: Sequence[tf.TensorArray], t: Tensor, values: Sequence[Tensor]) -> list[tf.TensorArray]:
    return [array.write(t, value) for array, value in zip(arrays, values, strict=True)]


def _shifted(steps: Tensor, by: int = 1) -> Tensor:
    # What stood so many steps earlier; zeros before the first.
    padded = tf.pad(steps, [[by, 0], [0, 0], [0, 0]])
    return padded[: tf.shape(steps)[0]]


def _over_all_steps(inputs: Tensor, d_outputs: Tensor, precision: str) -> Tensor:
    # The gradient of a kernel: inputs [time, batch, n], d_outputs [time, batch, m] → [n, m].
    flat = [tf.reshape(steps, [-1, steps.shape[-1]]) for steps in (inputs, d_outputs)]
    return product(flat[0], flat[1], precision, transpose_a=True)
