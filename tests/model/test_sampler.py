"""Sampling: against the whole-melody network, alone and in batches, and as TF Serving pads them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.model import sampler
from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.encodings import encoding_of, squash
from kakeai.model.network import MelodyRnn
from kakeai.model.saved_model import WARMUP_REQUESTS, export, servable

PRIMER = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, -2, -2]


@pytest.fixture(scope="module", params=CONFIGS)
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


def test_step_by_step_gives_the_whole_melodys_logits(model):
    encoding = encoding_of(model.config)
    squashed, _ = squash(np.array([PRIMER * 3], np.int32), model.config)
    whole = np.array(model(encoding.inputs(encoding.histories(squashed))))
    history, state = encoding.no_history(1), model.initial_state(1)
    for step in range(squashed.shape[1]):
        history = encoding.extend(history, squashed[:, step])
        logits, state = model.step(encoding.inputs(history), state)
        np.testing.assert_allclose(logits, whole[:, step], atol=2e-6)


def test_a_cold_answer_is_the_likeliest_event_of_each_step(model, module):
    melody, _ = ask(module, [(PRIMER, 24, 1e-6, 0)])
    played = np.array([PRIMER + melody[0].tolist()], np.int32)
    squashed, _ = squash(np.array([PRIMER], np.int32), model.config)
    moved = squashed[0, 0] - PRIMER[0]
    inside = np.where(played >= 0, played + moved, played)
    encoding = encoding_of(model.config)
    histories = encoding.histories(inside)
    labels = np.argmax(model(encoding.inputs(histories)), axis=-1).astype(np.int32)
    likeliest = np.array(encoding.next_events(labels, histories))
    np.testing.assert_array_equal(inside[0, len(PRIMER) :], likeliest[0, len(PRIMER) - 1 : -1])


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


def test_draws_are_uniform_and_differ_between_seeds():
    draws = sampler.uniform(tf.range(200, dtype=tf.int64), tf.constant(100)).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, 20, (0, 1))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 43.8  # 99.9th percentile with 19 degrees of freedom; the draws are always the same
    correlation = np.corrcoef(draws)[np.triu_indices(200, 1)]
    assert np.abs(correlation).max() < 0.5


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


def test_hostile_requests_get_a_melody_all_the_same(module):
    for melody, length in ([[]], [0]), ([[]], [9]), ([[300, -77, 60]], [3]), ([[60]], [-4]), ([[60]], [5000]):
        answer = module.generate(
            tf.reshape(tf.constant(melody, tf.int32), [1, -1]),
            tf.constant(length),
            tf.constant([4]),
            tf.constant([0.0]),
            tf.constant([-1], tf.int64),
        )
        assert answer["melody"].shape == (1, 4)
        assert ((answer["melody"].numpy() >= -2) & (answer["melody"].numpy() <= 127)).all()


def test_the_saved_model_loads_in_tf_servings_loader_and_answers_alike(model, module, tmp_path):
    export(model, tmp_path / "saved", "kakeai")
    expected, _ = ask(module, [(PRIMER, 16, 1.0, 5)])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        metagraph = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "saved"))
        assert {"generate", "serving_default", "score"} <= set(metagraph.signature_def)
        signature = metagraph.signature_def["generate"]
        feed = {
            "melody": [PRIMER],
            "length": [len(PRIMER)],
            "steps": [16],
            "temperature": [1.0],
            "seed": [5],
        }
        answer = session.run(
            signature.outputs["melody"].name,
            {signature.inputs[name].name: value for name, value in feed.items()},
        )
        ops = {node.op for node in metagraph.graph_def.node}
        for function in metagraph.graph_def.library.function:
            ops |= {node.op for node in function.node_def}
    np.testing.assert_array_equal(answer, expected)
    assert not {op for op in ops if op.startswith(("PyFunc", "EagerPyFunc", "Xla"))}
    assert (tmp_path / "saved" / WARMUP_REQUESTS).stat().st_size > 0
