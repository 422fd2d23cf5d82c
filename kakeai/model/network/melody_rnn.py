"""The recurrent network of the MelodyRNN family, in Keras 3.

The same weights run over whole melodies (`MelodyRnn.call`, for training; `recurrence.py`) and one step at a time
(`MelodyRnn.step`, for sampling). Architecture, initial distributions and places of dropout are those of
Magenta 2.1.4: `magenta/models/shared/events_rnn_graph.py` and `magenta/contrib/rnn.py`.
"""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false
# pyright: reportOptionalSubscript=false, reportOptionalOperand=false, reportGeneralTypeIssues=false

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kakeai.model.configs import Config
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.network import recurrence
from kakeai.model.network.precision import product

Tensor = Any
State = list[list[Tensor]]  # for each layer, its cell's states, each [batch, ...]


class LstmCell(keras.layers.LSTMCell):
    """Keras's cell with Magenta's initial distribution.

    Args:
        units: How many.
        input_size: Length of the input vector.
    """

    def __init__(self, units: int, input_size: int) -> None:
        """Create the cell; its weights come with `build`."""
        # Magenta's LSTM has one kernel for inputs and state, drawn by Glorot's rule for the whole of it.
        limit = (6.0 / (input_size + units + 4 * units)) ** 0.5
        distributions = {
            name: keras.initializers.RandomUniform(-limit, limit)
            for name in ("kernel_initializer", "recurrent_initializer")
        }
        super().__init__(units, name="lstm", **distributions)

    def over_time(self, inputs: Tensor, precision: str = "") -> Tensor:
        """All steps: inputs [time, batch, input_size] → outputs [time, batch, units]."""
        drive = product(inputs, self.kernel, precision)
        return recurrence.lstm(drive, self.bias, self.recurrent_kernel, precision)


class AttentionCell(keras.layers.Layer):
    """An LSTM cell, or several on top of each other, that look back on their last outputs.

    Cheng et al. 2016, arXiv:1601.06733.

    The window is a set under softmax, so its order does not matter; the projected keys of past outputs are kept
    beside them instead of being projected anew at every step.

    Args:
        sizes: Units of each LSTM; those of the last are also the size of the attention vectors.
        input_size: Length of the input vector, also of what the first LSTM is fed.
        attn_length: Outputs looked back on.
    """

    def __init__(self, sizes: Sequence[int], input_size: int, attn_length: int) -> None:
        """Create the parts; their weights come with `build`."""
        super().__init__(name="attention_cell")
        self.sizes, self.input_size, self.attn_length = tuple(sizes), input_size, attn_length
        self.units = units = sizes[-1]
        self.lstm = LstmCell(sizes[0], input_size)
        self.above = [LstmCell(size, below) for below, size in itertools.pairwise(sizes)]
        self.input_projection = keras.layers.Dense(input_size, name="input_projection")
        self.query_projection = keras.layers.Dense(units, name="query_projection")
        self.output_projection = keras.layers.Dense(units, name="output_projection")
        window = (attn_length, units)
        # h and c of each LSTM, the attention vector, past outputs and their keys
        self.state_size = [*[size for size in sizes for _ in "hc"], units, window, window]
        self.output_size = units

    @property
    def lstms(self) -> list[LstmCell]:
        """Those that attention is around, from the input upwards."""
        return [self.lstm, *self.above]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights."""
        for lstm, size in zip(self.lstms, (self.input_size, *self.sizes), strict=False):
            lstm.build((None, size))
        self.input_projection.build((None, self.input_size + self.units))
        self.query_projection.build((None, 2 * sum(self.sizes)))
        self.output_projection.build((None, 2 * self.units))
        # Magenta keeps the key weights as a 1 x 1 convolution and initialises them as one.
        self.key_weights = self.add_weight(
            shape=(self.units, self.units), initializer="glorot_uniform", name="key_weights"
        )
        # Glorot counts a vector's length as both fans.
        limit = (3.0 / self.units) ** 0.5
        self.score_weights = self.add_weight(
            shape=(self.units,),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="score_weights",
        )
        self.built = True

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """One step: inputs [batch, input_size] → output [batch, units] and the next states."""
        *lstm_states, attention, values, keys = states
        outputs = self.input_projection(ops.concatenate([inputs, attention], axis=-1))
        next_states: list[Tensor] = []
        queries: list[Tensor] = []
        for lstm, hidden, carry in zip(self.lstms, lstm_states[::2], lstm_states[1::2], strict=True):
            outputs, (hidden, carry) = lstm(outputs, [hidden, carry])
            next_states += [hidden, carry]
            queries += [carry, hidden]
        query = self.query_projection(ops.concatenate(queries, axis=-1))
        # keys [batch, window, units] + query [batch, 1, units] → scores [batch, window]
        scores = ops.sum(self.score_weights * ops.tanh(keys + query[:, None]), axis=-1)
        attention = ops.sum(ops.softmax(scores, axis=-1)[..., None] * values, axis=1)
        output = self.output_projection(ops.concatenate([outputs, attention], axis=-1))
        values = ops.concatenate([values[:, 1:], output[:, None]], axis=1)
        keys = ops.concatenate([keys[:, 1:], ops.matmul(output, self.key_weights)[:, None]], axis=1)
        return output, [*next_states, attention, values, keys]

    def over_time(self, inputs: Tensor, precision: str = "") -> Tensor:
        """All steps: inputs [time, batch, input_size] → outputs [time, batch, units]."""
        if self.above:  # which is not trained: Keras's own loop is fast enough
            outputs = keras.layers.RNN(self, return_sequences=True)(ops.transpose(inputs, [1, 0, 2]))
            return ops.transpose(outputs, [1, 0, 2])
        from_inputs, from_attention = ops.split(self.input_projection.kernel, [self.input_size], axis=0)
        projected = product(inputs, from_inputs, precision) + self.input_projection.bias
        drive = product(projected, self.lstm.kernel, precision) + self.lstm.bias
        to_gates = ops.concatenate(
            [self.lstm.recurrent_kernel, ops.matmul(from_attention, self.lstm.kernel)], axis=0
        )
        to_output, output_bias = self.output_projection.kernel, self.output_projection.bias
        to_key = ops.matmul(to_output, self.key_weights)
        key_bias = ops.matmul(output_bias[None], self.key_weights)[0]
        return recurrence.attention(
            drive,
            ops.concatenate([to_gates, to_output, to_key], axis=1),
            ops.concatenate([output_bias, key_bias]),
            self.query_projection.kernel,
            self.query_projection.bias,
            self.score_weights,
            self.attn_length,
            precision,
        )

    def get_initial_state(self, batch_size: Tensor) -> list[Tensor]:
        """Zeros: nothing was played."""
        return [
            ops.zeros((batch_size, *((size,) if isinstance(size, int) else size))) for size in self.state_size
        ]


class MelodyRnn(keras.Model):
    """Stacked LSTM layers with dropout after each, and a linear layer to the labels.

    Args:
        config: Gives encoding and hyperparameters.
        seed: Of the initial weights.
    """

    def __init__(self, config: Config, seed: int = 0) -> None:
        """Create the layers with their initial weights."""
        super().__init__(name=config.name)
        keras.utils.set_random_seed(seed)
        encoding, hparams = encoding_of(config), config.hparams
        self.config = config
        self.recurrent: list[keras.layers.RNN] = []
        size = encoding.input_size
        sizes = hparams.rnn_layer_sizes
        for layer_sizes in [sizes] if config.attention_around_all else [(units,) for units in sizes]:
            attends = not self.recurrent and hparams.attn_length
            cell = (
                AttentionCell(layer_sizes, size, hparams.attn_length)
                if attends
                else LstmCell(layer_sizes[0], size)
            )
            layer = keras.layers.RNN(cell, return_sequences=True)
            layer.build((None, None, size))
            self.recurrent.append(layer)
            size = layer_sizes[-1]
        self.to_logits = keras.layers.Dense(encoding.num_classes, name="to_logits")
        self.to_logits.build((None, size))
        self.built = True

    @property
    def lstm_cells(self) -> list[LstmCell]:
        """The LSTM of each layer, without the attention around it."""
        cells = [layer.cell for layer in self.recurrent]
        return [
            lstm for cell in cells for lstm in (cell.lstms if isinstance(cell, AttentionCell) else [cell])
        ]

    @property
    def attention_cell(self) -> AttentionCell | None:
        """The attention around the first layer or around all; None where there is none."""
        cell = self.recurrent[0].cell
        return cell if isinstance(cell, AttentionCell) else None

    def call(self, inputs: Tensor, kept: Sequence[Tensor] | None = None, precision: str = "") -> Tensor:
        """Return logits [batch, time, num_classes].

        Args:
            inputs: float32 [batch, time, input_size].
            kept: For each layer bool [time, batch, units], which of its outputs dropout leaves; None for all.
            precision: Of products, see `kakeai.model.network.precision`.
        """
        outputs = ops.transpose(inputs, [1, 0, 2])
        for i, layer in enumerate(self.recurrent):
            outputs = layer.cell.over_time(outputs, precision)
            if kept is not None:
                outputs = ops.where(kept[i], outputs / self.config.hparams.dropout_keep_prob, 0.0)
        outputs = ops.transpose(outputs, [1, 0, 2])
        return product(outputs, self.to_logits.kernel, precision) + self.to_logits.bias

    def step(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """One step without dropout.

        Args:
            inputs: float32 [batch, input_size].
            state: As `initial_state` or the step before gave it.

        Returns:
            logits float32 [batch, num_classes] and the next state.
        """
        outputs, next_state = inputs, []
        for layer, layer_state in zip(self.recurrent, state, strict=True):
            outputs, layer_state = layer.cell(outputs, layer_state)
            next_state.append(list(layer_state))
        return self.to_logits(outputs), next_state

    def initial_state(self, batch: Tensor) -> State:
        """Return the state before the first step, zeros."""
        return [list(layer.cell.get_initial_state(batch_size=batch)) for layer in self.recurrent]
