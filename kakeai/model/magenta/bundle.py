"""Weights ⇄ Magenta's bundles (`.mag`).

A bundle is written by Magenta itself, from its own graph with our weights in it. It is read by its weights only: the
graph inside is a stranger's program, and is never run.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from kakeai.errors import KakeaiError
from kakeai.local_files import read_file
from kakeai.model.configs import Config, config_named
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.magenta.checkpoint_v1 import read_weights
from kakeai.model.magenta.model import attn_length_in_graph, model_of
from kakeai.model.magenta.weights import magenta_weights
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.protos.kakeai.formats_pb2 import GeneratorBundle
from kakeai.storage import write_whole

LARGEST_BUNDLE = 2**28  # bytes; the published ones have up to 20 MB
LARGEST_HPARAMS = 2**16  # bytes of NAME.hparams; Kakeai writes a few hundred


def write_bundle(model: MelodyRnn, path: Path, description: str) -> None:
    """Write `path` (NAME.mag) for Magenta's own programs, and NAME.hparams beside it (config, tab, hparams).

    The bundle's graph has a batch of one, which answers soonest.
    """
    with _magenta_unheard():
        _write_bundle(model, path, description)


def _write_bundle(model: MelodyRnn, path: Path, description: str) -> None:
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]
    from magenta.contrib.training import HParams as MagentaHParams
    from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_sequence_generator
    from magenta.models.shared import events_rnn_graph

    config = melody_rnn_model.MelodyRnnConfig(
        _details(model.config),
        _encoder_decoder(model.config),
        MagentaHParams(**_magenta_hparams(model.config)),
        model.config.min_note,
        model.config.max_note,
        model.config.transpose_to_key,  # pyright: ignore[reportArgumentType]  Magenta too has None there
    )
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


def read_bundle(path: Path, config: str = "", hparams: str = "") -> MelodyRnn:
    """Return the model of a bundle, Magenta's or ours, of any of Magenta's times.

    Layer sizes come from the weights. How far attention looks back is no weight: it is read from the bundle's graph
    as from any other data, else from NAME.hparams beside the bundle, else it is the configuration's.

    Args:
        path: The `.mag` file.
        config: What it is to be read as; by default what it says, or what its weights look like.
        hparams: Changes to what is known of its hyperparameters, in Magenta's syntax.

    Raises:
        KakeaiError: No bundle, one of another family, or weights that do not fit together.
    """
    bundle = _parse(path)
    try:
        weights = read_weights(bundle.checkpoint_file[0])
    except ValueError as error:
        raise KakeaiError(f"the weights in {path} cannot be read: {error}") from None
    name = bundle.generator_details.id
    beside = _hparams_beside(path.with_suffix(".hparams"), name)
    in_graph = attn_length_in_graph(bundle.metagraph_file)
    told = [beside, f"attn_length={in_graph}" if in_graph else "", hparams]  # the last word counts
    return model_of(path, weights, name, config, ",".join(told))


@contextmanager
def _magenta_unheard() -> Iterator[None]:
    # It is of 2022, and told of its old ways at every turn.
    logger = logging.getLogger("tensorflow")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _details(config: Config) -> Any:  # noqa: ANN401  a GeneratorDetails
    from note_seq.protobuf import generator_pb2

    return generator_pb2.GeneratorDetails(id=config.name, description=config.description)


def _encoder_decoder(config: Config) -> Any:  # noqa: ANN401  an EventSequenceEncoderDecoder
    import note_seq

    lookbacks = list(encoding_of(config).lookbacks)
    pitches = config.min_note, config.max_note
    if config.encoding == "key":
        return note_seq.KeyMelodyEncoderDecoder(*pitches, lookbacks)
    one_hot = note_seq.MelodyOneHotEncoding(*pitches)
    if config.encoding == "lookback":
        return note_seq.LookbackEventSequenceEncoderDecoder(one_hot, lookbacks)
    return note_seq.OneHotEventSequenceEncoderDecoder(one_hot)


def _magenta_hparams(config: Config) -> dict[str, Any]:
    return {
        **asdict(config.hparams),
        "batch_size": 1,
        "rnn_layer_sizes": list(config.hparams.rnn_layer_sizes),
        "residual_connections": False,
        "use_cudnn": False,
    }


def _parse(path: Path) -> GeneratorBundle:
    if not path.is_file():
        raise KakeaiError(f"there is no bundle {path}; give the path of a .mag file")
    try:
        content = read_file(path, LARGEST_BUNDLE)
    except OSError as error:
        raise KakeaiError(f"the bundle {path} cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST_BUNDLE:
        raise KakeaiError(f"{path} is larger than {LARGEST_BUNDLE >> 20} MB: no MelodyRNN bundle")
    try:
        bundle = GeneratorBundle.FromString(content)
    except DecodeError:
        raise KakeaiError(f"{path} is not a Magenta bundle (.mag)") from None
    if len(bundle.checkpoint_file) != 1:
        raise KakeaiError(f"{path} is not a Magenta bundle: it holds no weights")
    return bundle


def _hparams_beside(path: Path, name: str) -> str:
    """Return the hyperparameters that NAME.hparams gives for the model `name`, empty if it gives none."""
    if not path.is_file():
        return ""
    try:
        line = read_file(path, LARGEST_HPARAMS).decode(errors="replace")
        config, _, hparams = line.strip().partition("\t")
        config_named(config, hparams)
    except (OSError, KakeaiError) as error:
        raise KakeaiError(f"{path} cannot be used: {error}") from None
    return hparams if config == name else ""
