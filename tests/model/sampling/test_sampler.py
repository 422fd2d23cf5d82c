"""Sampling: against the whole-melody network, alone and in batches, and as TF Serving pads them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from magenta.models.melody_rnn import melody_rnn_model

from kakeai.model.configs import config_named
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling import sampler
from kakeai.model.saved_model import servable

PRIMER = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, -2, -2]


@pytest.fixture(scope="module", params=melody_rnn_model.default_configs)
def model(request):
    return MelodyRnn(config_named(request.param, "rnn_layer_sizes=[24,16],attn_length=5"), seed=1)


def ask(module, rows):
    """rows: (primer, steps, temperature, seed); padded with copies of the first value, as TF Serving does."""
    width = max(len(primer) for primer, *_ in rows)
    padded = [list(primer) + [primer[0]] * (width - len(primer)) for primer, *_ in rows]
    answer = module.generate(
        tf.constant(padded, tf.int32),
        tf.constant([len(primer) for primer, *_ in rows], tf.int32),
        tf.constant([steps for _, steps, _, _ in rows], tf.int32),
        tf.constant([temperature for _, _, temperature, _ in rows], tf.float32),
        tf.constant([seed for *_, seed in rows], tf.int64),
    )
    return answer["melody"].numpy(), answer["log_likelihood"].numpy()


@pytest.fixture(scope="module")
def module(model):
    return servable(model)


def test_a_cold_answer_is_the_likeliest_event_of_each_step(model, module):
    melody, _ = ask(module, [(PRIMER, 24, 1e-6, 0)])
    played = np.array([PRIMER + melody[0].tolist()], np.int32)
    squashed, _ = squash(np.array([PRIMER], np.int32), model.config)
    moved = squashed[0, 0] - PRIMER[0]
    inside = np.where(played >= 0, played + moved, played)
    encoding = encoding_of(model.config)
    labels = np.argmax(model(encoding.inputs(encoding.histories(inside))), axis=-1)[0]
    oracle = melody_rnn_model.default_configs[model.config.name].encoder_decoder
    for step in range(len(PRIMER), inside.shape[1]):
        likeliest = oracle.class_index_to_event(int(labels[step - 1]), inside[0, :step].tolist())
        assert inside[0, step] == likeliest


def test_generate_and_score_agree_on_the_likelihood(model, module):
    melody, log_likelihood = ask(module, [(PRIMER, 24, 1.0, 7)])
    whole = np.array([PRIMER + melody[0].tolist()], np.int32)
    primer_only = module.score(tf.constant([PRIMER]), tf.constant([len(PRIMER)]))["log_likelihood"]
    # The same transposition for both: the answer must not move the melody into another key.
    squashed, _ = squash(np.array([PRIMER], np.int32), model.config)
    moved = squashed[0, 0] - PRIMER[0]
    inside = tf.constant(np.where(whole >= 0, whole + moved, whole))
    gained = sampler.log_likelihoods(model, inside).numpy()[0]
    np.testing.assert_allclose(gained[: len(PRIMER) - 1].sum(), primer_only[0], rtol=1e-4)
    np.testing.assert_allclose(gained[len(PRIMER) - 1 :].sum(), log_likelihood[0], rtol=1e-4)


ROWS = st.tuples(
    st.lists(st.sampled_from([-2, -2, -1, 36, 55, 60, 62, 64, 90]), min_size=1, max_size=40),
    st.integers(0, 20),
    st.sampled_from([0.5, 1.0, 1.7]),
    st.integers(0, 2**63 - 1),
)


@settings(max_examples=6, deadline=None)
@given(rows=st.lists(ROWS, min_size=2, max_size=5))
def test_an_answer_is_the_same_alone_and_in_any_batch(module, rows):
    together, likelihoods = ask(module, rows)
    for row, answer, likelihood in zip(rows, together, likelihoods, strict=True):
        alone, own_likelihood = ask(module, [row])
        np.testing.assert_array_equal(answer[: row[1]], alone[0])
        assert (answer[row[1] :] == -2).all()
        assert likelihood == pytest.approx(own_likelihood[0], rel=1e-4, abs=1e-4)


def test_samples_follow_the_models_distribution():
    model = MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[16]"), seed=2)
    model.to_logits.set_weights([model.to_logits.get_weights()[0] * 8, model.to_logits.get_weights()[1]])
    many = 4000
    melody, log_likelihood = ask(servable(model), [(PRIMER, 1, 1.0, seed) for seed in range(many)])
    probability = np.exp(log_likelihood)
    for event in np.unique(melody):
        drawn = (melody[:, 0] == event).mean()
        expected = probability[melody[:, 0] == event][0]
        assert drawn == pytest.approx(expected, abs=float(4 * np.sqrt(expected / many) + 1e-3))


HOSTILE = {
    "no primer": ([[]], [0], 4, 1.0),
    "no primer, said to be long": ([[]], [9], 4, 1.0),
    "no events": ([[300, -77, 2**31 - 1, -(2**31)]], [4], 4, 1.0),
    "a negative length": ([[60]], [-(2**31)], 4, 1.0),
    "a length beyond the end": ([[60]], [2**31 - 1], 4, 1.0),
    "no steps": ([[60]], [1], 0, 1.0),
    "negative steps": ([[60]], [1], -(2**31), 1.0),
    "a temperature of 0": ([[60]], [1], 4, 0.0),
    "a negative temperature": ([[60]], [1], 4, -1.0),
    "a temperature that is no number": ([[60]], [1], 4, np.nan),
    "an infinite temperature": ([[60]], [1], 4, np.inf),
}


@pytest.mark.parametrize(("melody", "length", "steps", "temperature"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_requests_get_a_melody_all_the_same(module, melody, length, steps, temperature):
    answer = module.generate(
        tf.reshape(tf.constant(melody, tf.int32), [1, -1]),
        tf.constant(length),
        tf.constant([steps]),
        tf.constant([temperature], tf.float32),
        tf.constant([-1], tf.int64),
    )
    assert answer["melody"].shape == (1, max(steps, 0))
    assert ((answer["melody"].numpy() >= -2) & (answer["melody"].numpy() <= 127)).all()
    assert answer["log_likelihood"].numpy()[0] <= 0


def test_what_is_no_temperature_is_the_coldest(module):
    (coldest, _), *others = [ask(module, [(PRIMER, 12, wrong, 1)]) for wrong in (1e-30, 0.0, -3.0, np.nan)]
    for melody, _ in others:
        np.testing.assert_array_equal(melody, coldest)


def test_no_requests_get_no_answers(module):
    empty = [tf.zeros([0], dtype) for dtype in (tf.int32, tf.int32, tf.float32, tf.int64)]
    answer = module.generate(tf.zeros([0, 3], tf.int32), *empty)
    assert answer["melody"].shape == (0, 0)
    assert answer["log_likelihood"].shape == (0,)


def test_a_row_goes_on_alike_however_many_steps_it_is_asked_for(module):
    longer, _ = ask(module, [(PRIMER, 20, 1.0, 4)])
    shorter, _ = ask(module, [(PRIMER, 7, 1.0, 4)])
    np.testing.assert_array_equal(shorter, longer[:, :7])
