"""The encodings step by step: against the same melodies as a whole, and against note-seq."""

import note_seq
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from magenta.models.melody_rnn import melody_rnn_model

from kakeai.model.configs import CONFIGS
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.single_steps import step_encoding_of
from kakeai.model.encodings.whole_melodies import encoding_of

# Few pitches and many holds, so that repeats, lookbacks and returning notes come up; longer than any counter.
EVENTS = st.sampled_from([-2, -2, -2, -1, 48, 55, 60, 62, 64, 72, 83, 30])
MELODIES = st.lists(EVENTS, min_size=140, max_size=140)


@pytest.fixture(scope="module", params=melody_rnn_model.default_configs)
def config(request):
    return CONFIGS[request.param]


@pytest.fixture(scope="module")
def walk(config):
    """One call for a batch of melodies: inputs after every step, and what every label would mean after it."""
    encoding = encoding_of(config)
    steps = step_encoding_of(encoding)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def walk(labels):
        def step(before, label):
            past = steps.extend(before[0], label)
            return past, steps.inputs(past), encoding.events(steps.meanings(past))

        batch = tf.shape(labels)[0]
        shapes = (batch, encoding.input_size), (batch, encoding.num_classes)
        first = (steps.begin(batch), tf.zeros(shapes[0]), tf.zeros(shapes[1], tf.int32))
        return tf.scan(step, tf.transpose(labels), first)[1:]

    return walk


@settings(max_examples=8, deadline=None)
@given(melodies=st.lists(MELODIES, min_size=3, max_size=3))
def test_step_by_step_equals_the_whole_melody(config, walk, melodies):
    encoding = encoding_of(config)
    squashed, _ = squash(np.array(melodies, np.int32), config)
    inputs, _ = walk(encoding.classes(squashed))
    whole = encoding.inputs(encoding.histories(squashed))
    np.testing.assert_array_equal(np.swapaxes(inputs, 0, 1), whole)


@settings(max_examples=4, deadline=None)
@given(melody=st.lists(EVENTS, min_size=1, max_size=50))
def test_every_label_means_what_note_seq_takes_it_for(config, walk, melody):
    encoding = encoding_of(config)
    oracle = melody_rnn_model.default_configs[config.name].encoder_decoder
    squashed = note_seq.Melody(list(melody))
    squashed.squash(config.min_note, config.max_note, config.transpose_to_key)
    _, meanings = walk(encoding.classes(np.array([list(squashed)], np.int32)))
    for step in range(len(melody)):
        so_far = list(squashed)[: step + 1]
        expected = [oracle.class_index_to_event(label, so_far) for label in range(encoding.num_classes)]
        assert list(meanings[step, 0].numpy()) == expected
