"""Weights ⇄ Magenta's bundles (`.mag`).

A bundle is written by Magenta itself, from its own graph with our weights in it. It is read by its weights only: the
graph inside is a stranger's program, and is never run.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from note_seq.protobuf import generator_pb2

from kakeai.errors import KakeaiError
from kakeai.model.configs import CONFIGS, Config, HParams, config_named
from kakeai.model.network import MelodyRnn
from kakeai.storage import write_whole

LARGEST_BUNDLE = 2**30  # bytes; the published ones have some 5 MB
FORGET_BIAS = 1.0  # Magenta's LSTM adds it as it runs, Keras keeps it in the bias


def write_bundle(model: MelodyRnn, path: Path, description: str) -> None:
    """Write `path` (NAME.mag) for Magenta's own programs, and NAME.hparams beside it (config, tab, hparams).

    The bundle's graph has a batch of one, which answers soonest.
    """
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]
    from magenta.contrib.training import HParams as MagentaHParams
    from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_sequence_generator
    from magenta.models.shared import events_rnn_graph

    config = _magenta_config(model.config, melody_rnn_model, MagentaHParams)
    weights = magenta_weights(model)
    with tempfile.TemporaryDirectory() as folder:
        with tf1.Graph().as_default(), tf1.Session() as session:
            events_rnn_graph.get_build_graph_fn("generate", config)()
            variables = {variable.op.name: variable for variable in tf1.global_variables()}
            if variables.keys() != weights.keys():
                raise RuntimeError(
                    f"Magenta's graph wants other weights: {variables.keys() ^ weights.keys()}"
                )
            for name, variable in variables.items():
                variable.load(weights[name], session)
            tf1.train.Saver().save(session, str(Path(folder, "model.ckpt")), write_meta_graph=False)
        generator = melody_rnn_sequence_generator.MelodyRnnSequenceGenerator(
            melody_rnn_model.MelodyRnnModel(config), config.details, config.steps_per_quarter, folder
        )
        written = Path(folder, "bundle.mag")
        with generator:
            generator.create_bundle_file(str(written), description)
        write_whole(path.with_suffix(".hparams"), f"{model.config.name}\t{model.config.hparams}\n".encode())
        write_whole(path, written.read_bytes())


def read_bundle(path: Path) -> MelodyRnn:
    """Return the model of a bundle, Magenta's or ours.

    Layer sizes come from the weights; what weights cannot tell (the attention's length, how it was trained) comes
    from NAME.hparams where it lies beside the bundle, else from the configuration's defaults.

    Raises:
        KakeaiError: No bundle, one of an unknown configuration, or weights that do not fit together.
    """
    bundle = _parse(path)
    name = bundle.generator_details.id
    if name not in CONFIGS:
        raise KakeaiError(
            f"{path} holds a {name or 'nameless'!r} model; Kakeai plays {', '.join(CONFIGS)} bundles"
        )
    weights = _read_weights(path, bundle)
    config = _config_of(name, weights, path.with_suffix(".hparams"))
    model = MelodyRnn(config)
    try:
        load_magenta_weights(model, weights)
    except KeyError as error:
        raise KakeaiError(f"{path} lacks the weights {error} of a {name} model") from None
    except ValueError as error:
        raise KakeaiError(f"{path} has weights of another shape than a {name} model: {error}") from None
    return model


def magenta_weights(model: MelodyRnn) -> dict[str, np.ndarray]:
    """Return the model's weights under the names, and in the shapes, of Magenta's graph."""
    weights: dict[str, np.ndarray] = {}
    for i, layer in enumerate(model.recurrent):
        prefix, cell = f"rnn/multi_rnn_cell/cell_{i}/", layer.cell
        if hasattr(cell, "attn_length"):
            prefix += "attention_cell_wrapper/"
            for name, part in _attention_parts(cell).items():
                weights[prefix + name + "kernel"], weights[prefix + name + "bias"] = part.get_weights()
            weights[prefix + "attention/attn_w"] = cell.key_weights.numpy()[None, None]
            weights[prefix + "attention/attn_v"] = cell.score_weights.numpy()
            cell = cell.lstm
        kernel, recurrent, bias = cell.get_weights()
        weights[prefix + "basic_lstm_cell/kernel"] = _swap_gates(np.concatenate([kernel, recurrent]))
        swapped = _swap_gates(bias)
        _forget_gate(swapped)[:] -= FORGET_BIAS
        weights[prefix + "basic_lstm_cell/bias"] = swapped
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
    for i, layer in enumerate(model.recurrent):
        prefix, cell = f"rnn/multi_rnn_cell/cell_{i}/", layer.cell
        if hasattr(cell, "attn_length"):
            prefix += "attention_cell_wrapper/"
            for name, part in _attention_parts(cell).items():
                part.set_weights([weights[prefix + name + "kernel"], weights[prefix + name + "bias"]])
            cell.key_weights.assign(weights[prefix + "attention/attn_w"][0, 0])
            cell.score_weights.assign(weights[prefix + "attention/attn_v"])
            cell = cell.lstm
        kernel = _swap_gates(weights[prefix + "basic_lstm_cell/kernel"])
        bias = weights[prefix + "basic_lstm_cell/bias"].copy()
        _forget_gate(bias)[:] += FORGET_BIAS
        inputs = len(kernel) - cell.units
        cell.set_weights([kernel[:inputs], kernel[inputs:], _swap_gates(bias)])
    model.to_logits.set_weights([weights["fully_connected/weights"], weights["fully_connected/biases"]])


def _attention_parts(cell) -> dict:  # noqa: ANN001
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


def _magenta_config(config: Config, melody_rnn_model, hparams_class):  # noqa: ANN001, ANN202
    magenta_config = melody_rnn_model.default_configs[config.name]
    hparams = hparams_class(
        batch_size=1,
        rnn_layer_sizes=list(config.hparams.rnn_layer_sizes),
        dropout_keep_prob=config.hparams.dropout_keep_prob,
        attn_length=config.hparams.attn_length,
        clip_norm=config.hparams.clip_norm,
        learning_rate=config.hparams.learning_rate,
        residual_connections=False,
        use_cudnn=False,
    )
    return melody_rnn_model.MelodyRnnConfig(
        magenta_config.details,
        magenta_config.encoder_decoder,
        hparams,
        config.min_note,
        config.max_note,
        config.transpose_to_key,
    )


def _parse(path: Path) -> generator_pb2.GeneratorBundle:
    if not path.is_file():
        raise KakeaiError(f"there is no bundle {path}; give the path of a .mag file")
    if path.stat().st_size > LARGEST_BUNDLE:
        raise KakeaiError(f"{path} is larger than {LARGEST_BUNDLE >> 20} MB: no MelodyRNN bundle")
    try:
        bundle = generator_pb2.GeneratorBundle.FromString(path.read_bytes())
    except DecodeError:
        raise KakeaiError(f"{path} is not a Magenta bundle (.mag)") from None
    if len(bundle.checkpoint_file) != 1:
        raise KakeaiError(f"{path} is not a Magenta bundle: it holds no weights")
    return bundle


def _read_weights(path: Path, bundle: generator_pb2.GeneratorBundle) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "model.ckpt")
        checkpoint.write_bytes(bundle.checkpoint_file[0])
        try:
            reader = tf.train.load_checkpoint(str(checkpoint))
            return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise KakeaiError(f"the weights in {path} cannot be read: {error}") from None


def _config_of(name: str, weights: Mapping[str, np.ndarray], hparams_file: Path) -> Config:
    config = config_named(name)
    if hparams_file.is_file():
        beside, _, assignments = hparams_file.read_text().strip().partition("\t")
        if beside == name:
            config = config_named(name, assignments)
    sizes = []
    for i in range(len(weights)):
        biases = [
            bias
            for weight, bias in weights.items()
            if weight.startswith(f"rnn/multi_rnn_cell/cell_{i}/") and weight.endswith("basic_lstm_cell/bias")
        ]
        if not biases:
            break
        sizes.append(len(biases[0]) // 4)
    hparams: HParams = replace(config.hparams, rnn_layer_sizes=tuple(sizes))
    return replace(config, hparams=hparams)
