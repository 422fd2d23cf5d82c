"""Encodings are compared with note-seq's own, event by event, on the same melodies."""

import note_seq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_pipeline

from kakeai.model.configs import CONFIGS
from kakeai.model.data.batches import eval_batches, pad
from kakeai.model.encodings.keys import squash, transpose
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.music.extraction import Extraction, extract_melodies
from kakeai.music.melody import MAX_PITCH, MIN_PITCH, NO_EVENT
from kakeai.music.midi import read_midi

# Few pitches and many holds, so that repeats, lookbacks and returning notes come up.
EVENTS = st.one_of(
    st.integers(-2, 127),
    st.sampled_from([-2, -2, -2, -1, 0, 47, 48, 55, 60, 62, 64, 65, 83, 84, 127]),
)


def melodies_of(min_steps, max_steps):
    # A note-off before the first note is none to note-seq; such a melody never reaches an encoding.
    lists = st.lists(EVENTS, min_size=min_steps, max_size=max_steps)
    return lists.map(lambda events: [int(event) for event in note_seq.Melody(events)])


MELODIES = st.lists(melodies_of(2, 90), min_size=1, max_size=4)


def magenta_squashed(events, config):
    melody = note_seq.Melody([int(event) for event in events])
    amount = melody.squash(config.min_note, config.max_note, config.transpose_to_key)
    return melody, amount


@pytest.mark.parametrize("name", melody_rnn_model.default_configs)
@settings(max_examples=25, deadline=None)
@given(melodies=MELODIES)
def test_inputs_and_labels_equal_note_seq(name, melodies):
    config = CONFIGS[name]
    encoding = encoding_of(config)
    oracle = melody_rnn_model.default_configs[name].encoder_decoder
    assert (encoding.input_size, encoding.num_classes) == (oracle.input_size, oracle.num_classes)
    assert encoding.no_event_label == oracle.default_event_label

    batch = pad([np.array(melody, np.int8) for melody in melodies])
    squashed, amounts = squash(batch.melody, config)
    inputs, labels = encoding.encode(squashed)
    for row, events in enumerate(melodies):
        melody, amount = magenta_squashed(events, config)
        assert int(amounts[row]) == amount
        assert list(np.array(squashed)[row, : len(events)]) == list(melody)
        expected_inputs, expected_labels = oracle.encode(melody)
        steps = len(events) - 1
        np.testing.assert_array_equal(np.array(inputs)[row, :steps], expected_inputs)
        np.testing.assert_array_equal(np.array(labels)[row, :steps], expected_labels)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=15, deadline=None)
@given(melody=melodies_of(1, 40), seed=st.integers(0, 2**32 - 1))
def test_event_probabilities_add_up_and_agree_with_log_likelihood(name, melody, seed):
    config = CONFIGS[name]
    encoding = encoding_of(config)
    squashed, _ = squash(np.array([melody], np.int32), config)
    history = encoding.histories(squashed)
    newest = type(history)(*[column[:, -1] for column in history])
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(encoding.num_classes), 1).astype(np.float32)
    merged = np.array(encoding.event_probabilities(probabilities, newest))
    assert merged.sum() == pytest.approx(1, abs=1e-5)
    for event in (NO_EVENT, -1, config.min_note, 60, config.max_note - 1):
        events = np.array([event], np.int32)
        logarithm = float(
            encoding.log_likelihood(np.log(probabilities), events, encoding.repeated(newest))[0]
        )
        own = int(encoding.classes(events)[0])
        assert np.exp(logarithm) == pytest.approx(merged[0, own], rel=1e-4)


@pytest.mark.parametrize("name", melody_rnn_model.default_configs)
def test_real_tunes_are_encoded_as_by_magentas_pipeline(name, tmp_path):
    """Whole batches, squash and padding included, against the examples that Magenta would store."""
    from cli.oneills import oneills

    oneills(tmp_path, 24)
    tunes = [read_midi(path.read_bytes()) for path in sorted(tmp_path.glob("*.mid"))]
    stretches = [stretch for tune in tunes for stretch in extract_melodies(tune, Extraction())]
    melodies = [stretch.melody for stretch in stretches if stretch.melody is not None]
    assert len(melodies) > 10
    config = CONFIGS[name]
    oracle = melody_rnn_pipeline.EncoderPipeline(melody_rnn_model.default_configs[name], name="oracle")
    for batch in eval_batches(melodies, 8):
        inputs, labels = map(np.array, encoding_of(config).encode(squash(batch.melody, config)[0]))
        for row, (events, length) in enumerate(zip(batch.melody, batch.length, strict=True)):
            (example,) = oracle.transform(note_seq.Melody([int(event) for event in events[:length]]))
            features = example.feature_lists.feature_list
            expected = np.array([step.float_list.value for step in features["inputs"].feature], np.float32)
            np.testing.assert_array_equal(inputs[row, : length - 1], expected)
            expected_labels = [step.int64_list.value[0] for step in features["labels"].feature]
            assert labels[row, : length - 1].tolist() == expected_labels


@given(melody=melodies_of(1, 40), semitones=st.integers(-60, 60))
@settings(max_examples=30, deadline=None)
def test_transposing_equals_note_seq(melody, semitones):
    oracle = note_seq.Melody(list(melody))
    oracle.transpose(semitones)
    moved = transpose(np.array([melody], np.int32), np.array([semitones], np.int32), MIN_PITCH, MAX_PITCH + 1)
    assert list(np.array(moved)[0]) == list(oracle)
