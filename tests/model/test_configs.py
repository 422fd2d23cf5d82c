"""Hyperparameters in Magenta's syntax, and what is said of bad ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from magenta.contrib.training import HParams as MagentaHParams
from magenta.models.melody_rnn import melody_rnn_model

from kakeai.errors import KakeaiError
from kakeai.model.configs import CONFIGS, HParams, config_named

SIZES = st.lists(st.integers(1, 512), min_size=1, max_size=4)


@pytest.mark.parametrize("name", melody_rnn_model.default_configs)
def test_defaults_are_magentas(name):
    config, oracle = CONFIGS[name], melody_rnn_model.default_configs[name]
    assert (config.min_note, config.max_note) == (oracle.min_note, oracle.max_note)
    assert config.transpose_to_key == oracle.transpose_to_key
    assert (config.name, config.description) == (oracle.details.id, oracle.details.description)
    for field in ("batch_size", "dropout_keep_prob", "clip_norm", "learning_rate", "attn_length"):
        assert getattr(config.hparams, field) == getattr(oracle.hparams, field, 0)
    assert list(config.hparams.rnn_layer_sizes) == oracle.hparams.rnn_layer_sizes


@given(st.integers(1, 999), SIZES, st.floats(1e-6, 1, exclude_min=True))
def test_magentas_syntax_means_the_same_here(batch_size, sizes, rate):
    text = f"batch_size={batch_size},rnn_layer_sizes=[{','.join(map(str, sizes))}],learning_rate={rate}"
    oracle = MagentaHParams(batch_size=1, rnn_layer_sizes=[1], learning_rate=0.1).parse(text)
    ours = HParams().parse(text)
    assert (ours.batch_size, list(ours.rnn_layer_sizes), ours.learning_rate) == (
        oracle.batch_size,
        oracle.rnn_layer_sizes,
        oracle.learning_rate,
    )
    assert HParams().parse(str(ours)) == ours


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batchsize=4", "unknown hparam 'batchsize=4'; known are batch_size, rnn_layer_sizes"),
        ("batch_size", "unknown hparam 'batch_size'"),
        ("batch_size=four", "hparam batch_size must be a whole number, not 'four'"),
        ("rnn_layer_sizes=[64,x]", "hparam rnn_layer_sizes must be a list such as"),
        ("rnn_layer_sizes=[]", "needs at least one layer"),
        ("rnn_layer_sizes=[64,0]", "must be greater than 0"),
        ("learning_rate=-1", "learning_rate must be greater than 0"),
        ("learning_rate=nan", "learning_rate must be greater than 0"),
        ("dropout_keep_prob=0", "dropout_keep_prob must be in (0, 1]"),
    ],
)
def test_a_bad_hparam_is_told_in_a_sentence(text, told):
    with pytest.raises(KakeaiError) as refused:
        HParams().parse(text)
    assert told in str(refused.value)


def test_an_unknown_config_lists_the_known_ones():
    with pytest.raises(KakeaiError, match="choose one of basic_rnn, mono_rnn, lookback_rnn, attention_rnn"):
        config_named("jazz_rnn")
