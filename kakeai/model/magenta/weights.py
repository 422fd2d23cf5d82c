"""The weights of Magenta's graph ⇄ those of the Keras model: names, shapes, order of the gates.

TensorFlow changed its names twice: bundles of 2016 have those of TensorFlow 0.x, bundles of early 2017 those of 1.0.
Magenta moved its attention once: at first it was around all layers, since then it is around the first.
"""

from collections.abc import Mapping

import keras
import numpy as np

from kakeai.model.network.melody_rnn import AttentionCell, MelodyRnn

_LAYERS = "multi_rnn_cell/cell_"
_ATTENTION = "attention_cell_wrapper/"
_AROUND_ALL, _AROUND_FIRST = f"rnn/{_ATTENTION}", f"rnn/{_LAYERS}0/{_ATTENTION}"
FORGET_BIAS = 1.0  # Magenta's LSTM adds it as it runs, Keras keeps it in the bias

# As TensorFlow 0.x called things, and as 1.0 did; then the ends of names, as 1.0 and as 1.2 and all later ones did
# (its own table: tensorflow/contrib/rnn/python/tools/checkpoint_convert.py).
_NAMES_SINCE_1_0 = {
    "MultiRNNCell/Cell": _LAYERS,
    "RNN/": "rnn/",
    "AttentionCellWrapper/": _ATTENTION,
    "AttnOutputProjection/": "attn_output_projection/",
    "Attention/": "attention/",
    "AttnW": "attn_w",
    "AttnV": "attn_v",
    "BasicLSTMCell/": "basic_lstm_cell/",
    "Linear/Matrix": "weights",
    "Linear/Bias": "biases",
}
_ENDS_SINCE_1_2 = {"/weights": "/kernel", "/biases": "/bias"}


def todays_names(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights of any of Magenta's times under the names of Magenta 2.1.4."""
    return {_todays_name(name): weight for name, weight in weights.items()}


def _todays_name(name: str) -> str:
    if name.startswith("fully_connected/"):
        return name
    for old, new in _NAMES_SINCE_1_0.items():
        name = name.replace(old, new)
    for old, new in _ENDS_SINCE_1_2.items():
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


def has_attention(weights: Mapping[str, np.ndarray]) -> bool:
    """Return whether the network looks back on its outputs."""
    return f"{_AROUND_FIRST}kernel" in weights or is_around_all(weights)


def is_around_all(weights: Mapping[str, np.ndarray]) -> bool:
    """Return whether attention is around all layers together."""
    return f"{_AROUND_ALL}kernel" in weights


def layer_sizes(weights: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """Return the units of each LSTM layer, from the input upwards."""
    sizes: list[int] = []
    while True:
        prefix = _lstm_prefix(len(sizes), has_attention(weights), is_around_all(weights))
        bias = weights.get(prefix + "bias")
        if bias is None:
            return tuple(sizes)
        sizes.append(bias.size // 4)


def input_size(weights: Mapping[str, np.ndarray]) -> int:
    """Return the length of the input vector.

    Raises:
        KeyError: The first layer is missing.
    """
    if has_attention(weights):
        return weights[_attention_prefix(is_around_all(weights)) + "kernel"].shape[-1]
    return len(weights[_lstm_prefix(0, False, False) + "kernel"]) - layer_sizes(weights)[0]


def magenta_weights(model: MelodyRnn) -> dict[str, np.ndarray]:
    """Return the model's weights under the names, and in the shapes, of Magenta's graph."""
    weights: dict[str, np.ndarray] = {}
    attention, around_all = model.attention_cell, model.config.attention_around_all
    if attention:
        prefix = _attention_prefix(around_all)
        for name, part in _attention_parts(attention).items():
            weights[prefix + name + "kernel"], weights[prefix + name + "bias"] = part.get_weights()
        weights[prefix + "attention/attn_w"] = attention.key_weights.numpy()[None, None]
        weights[prefix + "attention/attn_v"] = attention.score_weights.numpy()
    for i, cell in enumerate(model.lstm_cells):
        prefix = _lstm_prefix(i, attention is not None, around_all)
        kernel, recurrent, bias = cell.get_weights()
        weights[prefix + "kernel"] = _swap_gates(np.concatenate([kernel, recurrent]))
        swapped = _swap_gates(bias)
        _forget_gate(swapped)[:] -= FORGET_BIAS
        weights[prefix + "bias"] = swapped
    weights["fully_connected/weights"], weights["fully_connected/biases"] = model.to_logits.get_weights()
    return weights


def load_magenta_weights(model: MelodyRnn, weights: Mapping[str, np.ndarray]) -> None:
    """Set the model's weights from those of Magenta's graph; the inverse of `magenta_weights`.

    Raises:
        KeyError: A weight is missing.
        ValueError: A weight has another shape.
    """
    for name, own in magenta_weights(model).items():
        if weights[name].shape != own.shape:
            raise ValueError(f"{name} is {weights[name].shape}, not {own.shape}")
    attention, around_all = model.attention_cell, model.config.attention_around_all
    if attention:
        prefix = _attention_prefix(around_all)
        for name, part in _attention_parts(attention).items():
            part.set_weights([weights[prefix + name + "kernel"], weights[prefix + name + "bias"]])
        attention.key_weights.assign(weights[prefix + "attention/attn_w"][0, 0])
        attention.score_weights.assign(weights[prefix + "attention/attn_v"])
    for i, cell in enumerate(model.lstm_cells):
        prefix = _lstm_prefix(i, attention is not None, around_all)
        kernel = _swap_gates(weights[prefix + "kernel"])
        bias = weights[prefix + "bias"].copy()
        _forget_gate(bias)[:] += FORGET_BIAS
        inputs = len(kernel) - cell.units
        cell.set_weights([kernel[:inputs], kernel[inputs:], _swap_gates(bias)])
    model.to_logits.set_weights([weights["fully_connected/weights"], weights["fully_connected/biases"]])


def _attention_prefix(around_all: bool) -> str:
    """Return what the names of the attention's weights begin with."""
    return _AROUND_ALL if around_all else _AROUND_FIRST


def _lstm_prefix(layer: int, has_attention: bool, around_all: bool) -> str:
    """Return what the names of an LSTM's weights begin with."""
    if has_attention and layer == 0 and not around_all:
        return f"{_AROUND_FIRST}basic_lstm_cell/"
    return f"{_AROUND_ALL if around_all else 'rnn/'}{_LAYERS}{layer}/basic_lstm_cell/"


def _attention_parts(cell: AttentionCell) -> dict[str, keras.layers.Dense]:
    return {
        "": cell.input_projection,
        "attention/": cell.query_projection,
        "attn_output_projection/": cell.output_projection,
    }


def _swap_gates(weights: np.ndarray) -> np.ndarray:
    # Gates lie side by side on the last axis: input, forget, new, output in Keras; input, new, forget, output in
    # TensorFlow's BasicLSTMCell. The swap is its own inverse.
    first, second, third, fourth = np.split(weights, 4, axis=-1)
    return np.concatenate([first, third, second, fourth], axis=-1)


def _forget_gate(bias: np.ndarray) -> np.ndarray:
    units = len(bias) // 4
    return bias[2 * units : 3 * units]
