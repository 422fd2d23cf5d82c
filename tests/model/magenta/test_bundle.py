"""Bundles are opened by the real Magenta, and its answers compared with ours."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import note_seq
import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as tf1
from magenta.contrib import rnn as magenta_rnn
from magenta.contrib.training import HParams as MagentaHParams
from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_sequence_generator
from magenta.models.shared import events_rnn_graph, sequence_generator_bundle
from note_seq.protobuf import generator_pb2

from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.magenta.bundle import read_bundle, write_bundle
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.network.step_network import StepNetwork
from kakeai.model.training.warm_start import read_start

MELODY = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, 60, -2, 62, -2, 64, -2, -1, -2]
MELODY += [71, -2, 72, -2, 60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2]


# What Magenta is to make: hyperparameters unlike the default ones, with one, two and three layers.
MADE = {
    "basic_rnn": {"rnn_layer_sizes": [20, 12, 8]},
    "mono_rnn": {"rnn_layer_sizes": [8]},
    "lookback_rnn": {"rnn_layer_sizes": [8, 12], "attn_length": 6},
    "attention_rnn": {"rnn_layer_sizes": [8, 8], "attn_length": 5},
}


class Bundle(NamedTuple):
    """One that Magenta made, and what Magenta plays with it."""

    content: generator_pb2.GeneratorBundle
    weights: dict[str, np.ndarray]
    probabilities: np.ndarray


@pytest.fixture(params=melody_rnn_model.default_configs)
def model(request):
    return MelodyRnn(config_named(request.param, "rnn_layer_sizes=[24,16]"), seed=3)


@pytest.fixture(scope="module", params=melody_rnn_model.default_configs)
def theirs(request, tmp_path_factory):
    return made_by_magenta(request.param, tmp_path_factory.mktemp(request.param), **MADE[request.param])


@pytest.fixture(scope="module")
def basic(tmp_path_factory):
    return made_by_magenta("basic_rnn", tmp_path_factory.mktemp("basic"), rnn_layer_sizes=[4])


def made_by_magenta(name, folder, **changes):
    """Its own graph, its own initial weights, its own checkpoint, its own writer."""
    default = melody_rnn_model.default_configs[name]
    config = melody_rnn_model.MelodyRnnConfig(
        default.details,
        default.encoder_decoder,
        MagentaHParams(**{**default.hparams.values(), "batch_size": 1, **changes}),
        default.min_note,
        default.max_note,
        default.transpose_to_key,
    )
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(5)
        events_rnn_graph.get_build_graph_fn("generate", config)()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(folder / "model.ckpt"))
    with melody_rnn_sequence_generator.MelodyRnnSequenceGenerator(
        melody_rnn_model.MelodyRnnModel(config), config.details, 4, checkpoint=str(folder)
    ) as generator:
        expected = magenta_probabilities(generator, config)
        generator.create_bundle_file(str(folder / "theirs.mag"), "a test")
    reader = tf.train.load_checkpoint(str(folder / "model.ckpt"))
    weights = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return Bundle(sequence_generator_bundle.read_bundle_file(str(folder / "theirs.mag")), weights, expected)


@pytest.fixture
def around_all(tmp_path, monkeypatch):
    """Attention around all layers, as in Magenta's first models: the same parts, put together otherwise."""

    layers = events_rnn_graph.make_rnn_cell

    def make_rnn_cell(rnn_layer_sizes, attn_length, **options):
        return magenta_rnn.AttentionCellWrapper(layers(rnn_layer_sizes, **options), attn_length)

    monkeypatch.setattr(events_rnn_graph, "make_rnn_cell", make_rnn_cell)
    return made_by_magenta("attention_rnn", tmp_path, rnn_layer_sizes=[8, 6, 12], attn_length=7)


def write(path, bundle, weights=None, generator_id=None, metagraph=None):
    """Write a bundle with other contents."""
    content = generator_pb2.GeneratorBundle.FromString(bundle.content.SerializeToString())
    if weights is not None:
        content.checkpoint_file[0] = checkpoint_v1(weights, path.parent)
    if generator_id is not None:
        content.generator_details.id = generator_id
    if metagraph is not None:
        content.metagraph_file = metagraph
    path.write_bytes(content.SerializeToString())
    return path


def checkpoint_v1(values, folder):
    """What TensorFlow itself writes."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        variables = {
            name: tf1.Variable(value, name=f"v{i}") for i, (name, value) in enumerate(values.items())
        }
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(variables, write_version=tf1.train.SaverDef.V1)
        return Path(saver.save(session, str(folder / "v1.ckpt"), write_meta_graph=False)).read_bytes()


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


def step_by_step(model):
    """As the servable computes them."""
    encoding = encoding_of(model.config)
    squashed, _ = squash(np.array([MELODY], np.int32), model.config)
    inputs = encoding.inputs(encoding.histories(squashed))
    network = StepNetwork(model, tf.constant(1))
    state, probabilities = network.begin(), []
    for position in range(len(MELODY)):
        output, state = network.step(inputs[:, position], tf.constant([position]), state)
        probabilities.append(tf.nn.softmax(network.logits(output)[0]).numpy())
    return np.array(probabilities)


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


def test_without_magenta_a_bundle_keeps_the_weights_and_kakeai_reads_it(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "magenta", None)  # as if it were not installed
    write_bundle(model, tmp_path / "a.mag", "a test")
    write_bundle(model, tmp_path / "b.mag", "a test")
    assert (tmp_path / "a.mag").read_bytes() == (
        tmp_path / "b.mag"
    ).read_bytes()  # its hash is the model's identity
    read = read_bundle(tmp_path / "a.mag")
    assert read.config == model.config
    np.testing.assert_array_equal(our_probabilities(read), our_probabilities(model))


def test_a_bundle_made_by_magenta_plays_here_with_its_probabilities(theirs, tmp_path):
    ours = read_bundle(write(tmp_path / "theirs.mag", theirs))
    made = MADE[ours.config.name]
    assert list(ours.config.hparams.rnn_layer_sizes) == made["rnn_layer_sizes"]
    assert ours.config.hparams.attn_length == made.get("attn_length", 0)  # no weight tells, the graph does
    np.testing.assert_allclose(our_probabilities(ours), theirs.probabilities, atol=1e-5)


def named_by_tensorflow_1_0(name):
    if name.startswith("rnn/"):
        name = re.sub("/kernel$", "/weights", re.sub("/bias$", "/biases", name))
    return name


def named_by_tensorflow_0(name):
    if not name.startswith("rnn/"):
        return name
    parts = {
        "rnn": "RNN",
        "attn_w": "AttnW",
        "attn_v": "AttnV",
        "kernel": "Linear/Matrix",
        "bias": "Linear/Bias",
    }
    parts |= {"multi_rnn_cell": "MultiRNNCell", "basic_lstm_cell": "BasicLSTMCell"}
    parts |= {"attention_cell_wrapper": "AttentionCellWrapper", "attention": "Attention"}
    parts |= {"attn_output_projection": "AttnOutputProjection"}
    return "/".join(parts.get(part, part.replace("cell_", "Cell")) for part in name.split("/"))


@pytest.mark.parametrize("named", [named_by_tensorflow_0, named_by_tensorflow_1_0])
def test_a_bundle_of_earlier_years_plays_like_todays(theirs, named, tmp_path):
    # As they were published in 2016 and 2017: under other names, with what training left beside the weights.
    weights = {named(name): weight for name, weight in theirs.weights.items()}
    assert weights.keys() != theirs.weights.keys()
    weights |= {f"{name}/Adam": np.ones_like(weight) for name, weight in weights.items()}
    weights |= {"global_step": np.int64(20000), "beta1_power": np.float32(0.0)}
    ours = read_bundle(write(tmp_path / "older.mag", theirs, weights))
    np.testing.assert_allclose(our_probabilities(ours), theirs.probabilities, atol=1e-5)


@pytest.mark.parametrize("named", [named_by_tensorflow_0, named_by_tensorflow_1_0, str])
def test_a_bundle_with_attention_around_all_layers_plays_here(around_all, named, tmp_path):
    weights = {named(name): weight for name, weight in around_all.weights.items()}
    path = write(tmp_path / "first.mag", around_all, weights)
    ours = read_bundle(path)
    assert ours.config.hparams.rnn_layer_sizes == (8, 6, 12)
    assert ours.config.hparams.attn_length == 7
    np.testing.assert_allclose(our_probabilities(ours), around_all.probabilities, atol=1e-5)
    np.testing.assert_allclose(step_by_step(ours), around_all.probabilities, atol=1e-5)
    with pytest.raises(KakeaiError, match=r"first.mag has attention around all .* no training can begin"):
        read_start(str(path), None, "")


def test_what_no_weight_tells_is_told_beside_the_bundle_or_by_hand(tmp_path):
    theirs = made_by_magenta("attention_rnn", tmp_path, **MADE["attention_rnn"])
    path = write(tmp_path / "x.mag", theirs, metagraph=b"")
    assert read_bundle(path).config.hparams.attn_length == 40  # the configuration's
    (tmp_path / "x.hparams").write_text("attention_rnn\trnn_layer_sizes=[8,8],attn_length=9\n")
    assert read_bundle(path).config.hparams.attn_length == 9
    by_hand = read_bundle(path, hparams="attn_length=5")
    np.testing.assert_allclose(our_probabilities(by_hand), theirs.probabilities, atol=1e-5)
    (tmp_path / "x.hparams").write_text("attention_rnn\tspeed=9\n")
    with pytest.raises(KakeaiError, match=r"x.hparams cannot be used: unknown hparam 'speed=9'"):
        read_bundle(path)


def test_a_bundle_under_a_name_of_its_own_is_known_by_its_shapes(theirs, tmp_path):
    ours = read_bundle(write(tmp_path / "own.mag", theirs, generator_id="my_rnn"))
    assert ours.config.name == theirs.content.generator_details.id


def test_a_strangers_graph_is_never_run(basic, tmp_path):
    trap = write(tmp_path / "trap.mag", basic, metagraph=b"not a graph: importing it would fail")
    np.testing.assert_allclose(our_probabilities(read_bundle(trap)), basic.probabilities, atol=1e-5)


def test_weights_that_make_no_model_are_refused_in_a_sentence(basic, tmp_path):
    def refused(told, weights, generator_id=None, **reading):
        path = write(tmp_path / "x.mag", basic, weights, generator_id)
        with pytest.raises(KakeaiError, match=told):
            read_bundle(path, **reading)

    kernel, bias = "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel", "fully_connected/biases"
    weights = basic.weights
    ruined = weights[kernel].copy()
    ruined[0, 0] = np.nan
    refused(r"x.mag cannot be played: its weights \S+kernel hold", {**weights, kernel: ruined})
    refused("they are those of basic_rnn: give --config basic_rnn", weights, "lookback_rnn")
    refused("they are those of basic_rnn: give --config basic_rnn", weights, config="mono_rnn")
    refused("unknown config 'jazz_rnn'", weights, config="jazz_rnn")
    less = {name: weight[:-1] for name, weight in weights.items()}
    refused(
        "holds a 'performance_rnn' model of 38 inputs and 37 labels",
        {**weights, bias: less[bias]},
        "performance_rnn",
    )
    wrapped = f"{kernel.rpartition('/basic')[0]}/input_projection_wrapper/kernel"
    refused("trained with residual_connections=True", {**weights, wrapped: ruined})
    refused("lacks an LSTM layer", {bias: weights[bias]})
    refused("another shape than a basic_rnn", {**weights, "fully_connected/weights": ruined})


def bundle_without_weights():
    bundle = generator_pb2.GeneratorBundle()
    bundle.generator_details.id = "basic_rnn"
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
        (bundle_with_broken_weights(), "cannot be read"),
    ],
    ids=["noise", "empty", "no-weights", "broken-weights"],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(content, told, tmp_path):
    (tmp_path / "x.mag").write_bytes(content)
    with pytest.raises(KakeaiError, match=told):
        read_bundle(tmp_path / "x.mag")
    with pytest.raises(KakeaiError, match="there is no bundle"):
        read_bundle(tmp_path / "missing.mag")


def test_a_bundle_on_a_disk_that_fails_or_that_says_it_is_empty_is_one_sentence(tmp_path):
    """Of /proc: a file that cannot be read at its start, and one whose size is 0 whatever is in it."""
    (tmp_path / "fails.mag").symlink_to("/proc/self/mem")
    with pytest.raises(KakeaiError, match=r"the bundle .*fails\.mag cannot be read: Input/output error"):
        read_bundle(tmp_path / "fails.mag")
    (tmp_path / "text.mag").symlink_to("/proc/self/status")
    with pytest.raises(KakeaiError, match="is not a Magenta bundle"):
        read_bundle(tmp_path / "text.mag")
