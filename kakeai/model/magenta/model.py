"""Which model some weights of Magenta's make: its configuration, layers and attention."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from kakeai.errors import KakeaiError
from kakeai.model.configs import CONFIGS, Config, config_named
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.magenta.weights import (
    has_attention,
    input_size,
    is_around_all,
    layer_sizes,
    load_magenta_weights,
    todays_names,
)
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.protos.tensorflow.core.framework.tensor_pb2 import TensorProto
from kakeai.protos.tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

LARGEST_GRAPH = 2**26  # bytes that are looked through; Magenta's have under one MB
LONGEST_ATTENTION = 4096  # steps; Magenta's default is 40

_DT_INT32 = 3  # tensorflow/core/framework/types.proto
# Parts of a name that tell of a network that Kakeai does not have.
_FOREIGN = {"input_projection_wrapper": "residual_connections=True", "cudnn": "use_cudnn=True"}


def model_of(
    source: Path, weights: Mapping[str, np.ndarray], declared: str, config: str, hparams: str
) -> MelodyRnn:
    """Return the model that Magenta's weights make.

    Args:
        source: Where they come from, for what is said of them.
        weights: Under the names of any of Magenta's times; more than the model has are left alone.
        declared: The configuration, or any generator's id, that stands beside them; may be empty.
        config: What they are to be read as; empty to go by what is declared, or by their shapes.
        hparams: What else is known of the model, in Magenta's syntax.

    Raises:
        KakeaiError: They are no MelodyRNN's weights, or do not fit together.
    """
    weights = todays_names(weights)
    for part, setting in _FOREIGN.items():
        if any(part in name for name in weights):
            raise KakeaiError(f"{source} was trained with {setting}, which Kakeai does not play")
    found = _with_sizes(
        source, weights, config_named(_config_name(source, weights, declared, config), hparams)
    )
    model = MelodyRnn(found)
    try:
        load_magenta_weights(model, weights)
    except KeyError as error:
        raise KakeaiError(f"{source} lacks the weights {error} of a {found.name} model") from None
    except ValueError as error:
        raise KakeaiError(
            f"{source} has weights of another shape than a {found.name} model: {error}"
        ) from None
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise KakeaiError(
                f"{source} cannot be played: its weights {name} hold numbers that are none (NaN)"
            )
    return model


def read_magenta_run(run_dir: Path, config: str, hparams: str) -> MelodyRnn:
    """Return the model of the newest checkpoint of a training that Magenta's `melody_rnn_train` did.

    Args:
        run_dir: What its --run_dir was.
        config: What it is to be read as; by default what its weights look like.
        hparams: What else is known of it, in Magenta's syntax.

    Raises:
        KakeaiError: There is no checkpoint, or none of a MelodyRNN.
    """
    newest = tf.train.latest_checkpoint(str(run_dir / "train")) or tf.train.latest_checkpoint(str(run_dir))
    if newest is None:
        raise KakeaiError(f"{run_dir} holds no training, neither Kakeai's nor Magenta's; see `kakeai train`")
    try:
        reader = tf.train.load_checkpoint(newest)
        kinds = reader.get_variable_to_dtype_map()
        weights = {name: reader.get_tensor(name) for name, kind in kinds.items() if kind == tf.float32}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise KakeaiError(f"the checkpoint {newest} cannot be read: {error}") from None
    graph = Path(newest + ".meta")
    in_graph = attn_length_in_graph(graph.read_bytes()) if graph.is_file() else 0
    told = f"attn_length={in_graph},{hparams}" if in_graph else hparams
    return model_of(Path(newest), weights, "", config, told)


def attn_length_in_graph(metagraph: bytes) -> int:
    """Return how many steps the attention of Magenta's graph looks back on, 0 where it cannot be told.

    The graph is read as data and nothing of it is run. It brings the window that it keeps flat between two steps
    into the shape [-1, attn_length, units], and then into [-1, attn_length, 1, units].

    Args:
        metagraph: A serialized `tf.MetaGraphDef`, or anything else.
    """
    if len(metagraph) > LARGEST_GRAPH:
        return 0
    try:
        graph = MetaGraphDef.FromString(metagraph).graph_def
    except DecodeError:
        return 0
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    shapes = {_small_vector(node.attr["value"].tensor) for node in nodes if node.op == "Const"}
    lengths = {
        length
        for minus_one, length, *rest in (shape for shape in shapes if len(shape) == 3)
        if minus_one == -1 and 0 < length <= LONGEST_ATTENTION and (-1, length, 1, *rest) in shapes
    }
    return lengths.pop() if len(lengths) == 1 else 0


def _small_vector(tensor: TensorProto) -> tuple[int, ...]:
    """Return the numbers of a short list of int32, an empty tuple for any other tensor."""
    if tensor.dtype != _DT_INT32 or len(tensor.tensor_content) % 4:
        return ()
    if not 0 < len(tensor.tensor_content) // 4 + len(tensor.int_val) <= 4:
        return ()
    return (*np.frombuffer(tensor.tensor_content, "<i4").tolist(), *tensor.int_val)


def _config_name(source: Path, weights: Mapping[str, np.ndarray], declared: str, config: str) -> str:
    try:
        sizes = input_size(weights), weights["fully_connected/biases"].size
    except (KeyError, IndexError, TypeError):
        raise KakeaiError(
            f"{source} holds no MelodyRNN: it lacks an LSTM layer or the weights after it"
        ) from None
    fitting = []
    for candidate in CONFIGS.values():
        encoding = encoding_of(candidate)
        if (encoding.input_size, encoding.num_classes) == sizes:
            fitting.append(candidate.name)
    if not fitting:
        raise KakeaiError(
            f"{source} holds a {declared or 'nameless'!r} model of {sizes[0]} inputs and {sizes[1]} labels; "
            f"Kakeai plays {', '.join(CONFIGS)} models"
        )
    name = config_named(config).name if config else declared if declared in CONFIGS else fitting[0]
    if name not in fitting:
        raise KakeaiError(
            f"{source} has weights of another shape than a {name} model; they are those of {fitting[0]}: "
            f"give --config {fitting[0]}"
        )
    return name


def _with_sizes(source: Path, weights: Mapping[str, np.ndarray], config: Config) -> Config:
    attn_length = 0
    if has_attention(weights):
        attn_length = config.hparams.attn_length
        if not attn_length:
            raise KakeaiError(
                f"{source} has attention and does not tell how far back it looks; give --hparams attn_length=N"
            )
    sizes = layer_sizes(weights)
    hparams = replace(config.hparams, rnn_layer_sizes=sizes, attn_length=attn_length)
    return replace(config, hparams=hparams, attention_around_all=is_around_all(weights))
