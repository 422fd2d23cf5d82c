"""The network over whole melodies equals its cells stepped one by one, and Magenta's graph, gradients included."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from magenta.models.melody_rnn import melody_rnn_model

from kakeai.model.configs import config_named
from kakeai.model.data.batches import pad
from kakeai.model.magenta.weights import magenta_weights
from kakeai.model.network.melody_rnn import AttentionCell, LstmCell, MelodyRnn
from kakeai.model.training.trainer import Trainer

HPARAMS = "batch_size=6,rnn_layer_sizes=[8,6],dropout_keep_prob=1.0,clip_norm=0.02,learning_rate=0.01"
BATCH, TIME, INPUTS, UNITS, WINDOW = 4, 13, 7, 8, 5


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_all_steps_at_once_equal_one_after_another(kind, compiled):
    cell = LstmCell(UNITS, INPUTS) if kind == "lstm" else AttentionCell([UNITS], INPUTS, WINDOW)
    step_by_step = keras.layers.RNN(cell, return_sequences=True)
    step_by_step.build((None, None, INPUTS))
    rng = np.random.default_rng(0)
    for weight in step_by_step.trainable_weights:  # no zeros: a bias may otherwise hide
        weight.assign(rng.normal(0, 0.5, weight.shape))
    weights = [weight.value for weight in step_by_step.trainable_weights]
    inputs, upstream = (
        tf.constant(rng.normal(size=(BATCH, TIME, size)), tf.float32) for size in (INPUTS, UNITS)
    )

    def at_once(inputs):
        return tf.transpose(cell.over_time(tf.transpose(inputs, [1, 0, 2])), [1, 0, 2])

    def run(way, compiled):
        @tf.function(jit_compile=compiled, autograph=False)
        def outputs_and_gradients(inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = way(inputs)
                target = tf.reduce_sum(outputs * upstream)
            return [outputs, *tape.gradient(target, [inputs, *weights])]

        return outputs_and_gradients(inputs)

    for expected, found in zip(run(step_by_step, False), run(at_once, compiled), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("name", melody_rnn_model.default_configs)
def test_two_training_steps_equal_magentas(name, monkeypatch):
    config = config_named(name, HPARAMS + (",attn_length=9" if name == "attention_rnn" else ""))
    rng = np.random.default_rng(1)
    melodies = [
        np.where(rng.random(length) < 0.4, rng.integers(55, 75, length), -2).astype(np.int8)
        for length in (40, 33, 40, 21, 17, 38)
    ]
    trainer = Trainer(config, 0)
    theirs = magenta_training(config, melodies, magenta_weights(trainer.model), monkeypatch)
    for expected_loss, expected in theirs:
        counts = trainer.train(pad(melodies, [48], 6))
        steps = sum(len(melody) - 1 for melody in melodies)
        assert counts[0] / steps == pytest.approx(expected_loss, rel=1e-5)
        found = magenta_weights(trainer.model)
        assert found.keys() == expected.keys()
        for variable, value in expected.items():
            np.testing.assert_allclose(found[variable], value, atol=2e-4, err_msg=variable)


def magenta_training(config, melodies, weights, monkeypatch):
    """Two steps of Magenta's own graph: each the loss before it, and the weights after it."""
    import magenta.common
    import tensorflow.compat.v1 as tf1
    from magenta.models.shared import events_rnn_graph
    from note_seq import Melody
    from tensorflow.python.framework import ops

    monkeypatch.setattr(ops, "IndexedSlices", tf.IndexedSlices, raising=False)  # where its trainer looks
    theirs = magenta_config(config)
    encoded = []
    for events in melodies:
        melody = Melody([int(event) for event in events])
        melody.squash(theirs.min_note, theirs.max_note, theirs.transpose_to_key)
        encoded.append(theirs.encoder_decoder.encode(melody))
    lengths = [len(labels) for _, labels in encoded]
    inputs = np.zeros((len(encoded), max(lengths), theirs.encoder_decoder.input_size), np.float32)
    labels = np.zeros(inputs.shape[:2], np.int64)
    for row, (row_inputs, row_labels) in enumerate(encoded):
        inputs[row, : lengths[row]], labels[row, : lengths[row]] = row_inputs, row_labels
    with tf1.Graph().as_default(), tf1.Session() as session:
        shapes = [None, None, inputs.shape[2]], [None, None], [None]
        batch = [
            tf1.placeholder_with_default(array, shape)
            for array, shape in zip((inputs, labels, np.int32(lengths)), shapes, strict=True)
        ]
        monkeypatch.setattr(magenta.common, "get_padded_batch", lambda *_, **__: batch)
        events_rnn_graph.get_build_graph_fn("train", theirs)()
        session.run(tf1.global_variables_initializer())
        variables = {variable.op.name: variable for variable in tf1.trainable_variables()}
        for variable, value in weights.items():
            variables[variable].load(value, session)
        fetched = tf1.get_collection("loss")[0], tf1.get_collection("train_op")[0]
        return [(session.run(fetched)[0], session.run(variables)) for _ in range(2)]


@pytest.mark.parametrize("name", ["basic_rnn", "attention_rnn"])
def test_first_weights_are_drawn_as_magentas(name):
    config = config_named(name, "rnn_layer_sizes=[64,48]")
    drawn, own = _magentas_first_weights(config), magenta_weights(MelodyRnn(config, seed=3))
    assert own.keys() == drawn.keys()
    for variable, values in drawn.items():
        # Of uniform draws, the deviation has a relative error of 0.45 / sqrt(n), and the largest is near the limit.
        error = 5 * 0.45 * np.sqrt(2 / values.size)
        np.testing.assert_allclose(own[variable].std(), values.std(), rtol=error, err_msg=variable)
        np.testing.assert_allclose(own[variable].mean(), values.mean(), atol=error * values.std() * 3)
        rtol = 10 / values.size
        np.testing.assert_allclose(
            np.abs(own[variable]).max(), np.abs(values).max(), rtol=rtol, err_msg=variable
        )


def _magentas_first_weights(config):
    import tensorflow.compat.v1 as tf1
    from magenta.models.shared import events_rnn_graph

    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(5)
        events_rnn_graph.get_build_graph_fn("generate", magenta_config(config))()
        session.run(tf1.global_variables_initializer())
        return {variable.op.name: session.run(variable) for variable in tf1.trainable_variables()}


def magenta_config(config):
    """Magenta's configuration of the same name, with our hyperparameters."""
    from magenta.contrib.training import HParams

    theirs = melody_rnn_model.default_configs[config.name]
    values = {**dataclasses.asdict(config.hparams), "rnn_layer_sizes": list(config.hparams.rnn_layer_sizes)}
    return melody_rnn_model.MelodyRnnConfig(
        theirs.details,
        theirs.encoder_decoder,
        HParams(**values, residual_connections=False, use_cudnn=False),
        theirs.min_note,
        theirs.max_note,
        theirs.transpose_to_key,
    )
