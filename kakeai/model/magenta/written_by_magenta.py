"""A bundle that Magenta's own programs open: Magenta writes it, from its own graph with our weights in it.

This is the only module of Kakeai that imports Magenta.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kakeai.model.configs import Config
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.magenta.weights import magenta_weights
from kakeai.model.network.melody_rnn import MelodyRnn


def bundle_by_magenta(model: MelodyRnn, description: str) -> bytes:
    """Return the content of a `.mag` with weights and graph. The graph has a batch of one, which answers soonest."""
    with _magenta_unheard():
        return _bundle(model, description)


def _bundle(model: MelodyRnn, description: str) -> bytes:
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
        return written.read_bytes()


@contextmanager
def _magenta_unheard() -> Iterator[None]:
    # Magenta is of 2022: it warns of deprecated calls all the time.
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
