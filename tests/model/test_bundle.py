"""Bundles are opened by the real Magenta, and its answers compared with ours."""

import note_seq
import numpy as np
import pytest
from magenta.contrib.training import HParams as MagentaHParams
from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_sequence_generator
from magenta.models.shared import sequence_generator_bundle
from note_seq.protobuf import generator_pb2

from kakeai.errors import KakeaiError
from kakeai.model.bundle import read_bundle, write_bundle
from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.encodings import encoding_of, squash
from kakeai.model.network import MelodyRnn

MELODY = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, 60, -2, 62, -2, 64, -2, -1, -2]
MELODY += [71, -2, 72, -2, 60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2]


@pytest.fixture(params=CONFIGS)
def model(request):
    return MelodyRnn(config_named(request.param, "rnn_layer_sizes=[24,16]"), seed=3)


def open_in_magenta(path, name):
    config = melody_rnn_model.default_configs[name]
    bundle = sequence_generator_bundle.read_bundle_file(str(path))
    generator = melody_rnn_sequence_generator.MelodyRnnSequenceGenerator(
        melody_rnn_model.MelodyRnnModel(config), config.details, config.steps_per_quarter, bundle=bundle
    )
    generator.initialize()
    return generator, config


def magenta_probabilities(generator, config):
    melody = note_seq.Melody(MELODY)
    melody.squash(config.min_note, config.max_note, config.transpose_to_key)
    inputs = config.encoder_decoder.get_inputs_batch([melody], full_length=True)
    session = generator._model._session
    graph = session.graph
    return session.run(
        graph.get_collection("softmax")[0],
        {
            graph.get_collection("inputs")[0]: inputs,
            graph.get_collection("temperature")[0]: 1.0,
        },
    )[0]


def our_probabilities(model):
    encoding = encoding_of(model.config)
    squashed, _ = squash(np.array([MELODY], np.int32), model.config)
    logits = np.array(model(encoding.inputs(encoding.histories(squashed))))[0].astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_magenta_plays_our_bundle_with_our_probabilities(model, tmp_path):
    name = model.config.name
    write_bundle(model, tmp_path / "ours.mag", "a test")
    generator, config = open_in_magenta(tmp_path / "ours.mag", name)
    with generator:
        np.testing.assert_allclose(
            magenta_probabilities(generator, config), our_probabilities(model), atol=1e-5
        )
        primer = note_seq.Melody(MELODY[:8]).to_sequence(qpm=120)
        options = generator_pb2.GeneratorOptions()
        options.generate_sections.add(start_time=1.0, end_time=3.0)
        assert generator.generate(primer, options).notes
    assert (
        (tmp_path / "ours.hparams").read_text().startswith(f"{name}\tbatch_size=128,rnn_layer_sizes=[24,16]")
    )


def test_a_bundle_made_by_magenta_plays_here_with_its_probabilities(model, tmp_path):
    # Magenta makes it: its own graph, its own initial weights, its own checkpoint, its own writer.
    import tensorflow.compat.v1 as tf1
    from magenta.models.shared import events_rnn_graph

    name = model.config.name
    default = melody_rnn_model.default_configs[name]
    hparams = MagentaHParams(**{**default.hparams.values(), "batch_size": 1, "rnn_layer_sizes": [20, 12, 8]})
    config = melody_rnn_model.MelodyRnnConfig(
        default.details,
        default.encoder_decoder,
        hparams,
        default.min_note,
        default.max_note,
        default.transpose_to_key,
    )
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(5)
        events_rnn_graph.get_build_graph_fn("generate", config)()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    with melody_rnn_sequence_generator.MelodyRnnSequenceGenerator(
        melody_rnn_model.MelodyRnnModel(config), config.details, 4, checkpoint=str(tmp_path)
    ) as generator:
        expected = magenta_probabilities(generator, config)
        generator.create_bundle_file(str(tmp_path / "theirs.mag"), "a test")

    ours = read_bundle(tmp_path / "theirs.mag")
    assert ours.config.hparams.rnn_layer_sizes == (20, 12, 8)
    np.testing.assert_allclose(our_probabilities(ours), expected, atol=1e-5)


def test_a_strangers_graph_is_never_run(tmp_path):
    model = MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[8]"))
    write_bundle(model, tmp_path / "trap.mag", "a test")
    bundle = generator_pb2.GeneratorBundle.FromString((tmp_path / "trap.mag").read_bytes())
    bundle.metagraph_file = b"not a graph: importing it would fail"
    (tmp_path / "trap.mag").write_bytes(bundle.SerializeToString())
    np.testing.assert_allclose(
        our_probabilities(read_bundle(tmp_path / "trap.mag")), our_probabilities(model)
    )


def bundle_without_weights():
    bundle = generator_pb2.GeneratorBundle()
    bundle.generator_details.id = "basic_rnn"
    return bundle.SerializeToString()


def bundle_of_another_family():
    bundle = generator_pb2.GeneratorBundle(checkpoint_file=[b"weights"])
    bundle.generator_details.id = "performance_rnn"
    return bundle.SerializeToString()


def bundle_with_broken_weights():
    bundle = generator_pb2.GeneratorBundle(checkpoint_file=[b"no checkpoint"])
    bundle.generator_details.id = "basic_rnn"
    return bundle.SerializeToString()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x01 no bundle", "is not a Magenta bundle"),
        (b"", "is not a Magenta bundle"),
        (bundle_without_weights(), "holds no weights"),
        (bundle_of_another_family(), "holds a 'performance_rnn' model"),
        (bundle_with_broken_weights(), "cannot be read"),
    ],
    ids=["noise", "empty", "no-weights", "other-family", "broken-weights"],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(content, told, tmp_path):
    (tmp_path / "x.mag").write_bytes(content)
    with pytest.raises(KakeaiError, match=told):
        read_bundle(tmp_path / "x.mag")
    with pytest.raises(KakeaiError, match="there is no bundle"):
        read_bundle(tmp_path / "missing.mag")
