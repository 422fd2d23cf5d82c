"""Golden answers: a real model server against the weights that it should serve."""

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from kakeai.judging.golden_answers import CALLS, golden_answers
from kakeai.model.configs import config_named
from kakeai.model.magenta.bundle import write_bundle
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.saved_model import export
from serving.model_server.config import ServedModel
from serving.model_server.server import ModelServer


@pytest.fixture(scope="module")
def model():
    return MelodyRnn(config_named("lookback_rnn", "rnn_layer_sizes=[8]"), seed=5)


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    """Of a model server that serves the model."""
    store = tmp_path_factory.mktemp("served")
    export(model, store / "1", "reel")
    with ModelServer([ServedModel("reel", str(store))]) as server:
        server.wait_until_available("reel", 60)
        yield f"127.0.0.1:{server.port}"


def test_what_is_served_is_what_was_measured(model, address, tmp_path):
    write_bundle(model, tmp_path / "reel.mag", "the same")
    check = golden_answers(tmp_path / "reel.mag", address, "reel")
    assert (check.name, check.passed, check.figure, check.limit) == ("golden_answers", True, 5, 5)
    assert check.sentence == "Through a model server, 5 of 5 golden answers are those of the weights."


@pytest.mark.parametrize("plant", ["other weights", "another vocabulary"])
def test_another_model_than_was_measured_is_found_out(address, tmp_path, plant):
    other = MelodyRnn(
        config_named("lookback_rnn", "rnn_layer_sizes=[8]"), seed=6 if plant == "other weights" else 5
    )
    if plant == "another vocabulary":
        *others, kernel, bias = other.get_weights()
        other.set_weights([*others, np.roll(kernel, 1, axis=1), np.roll(bias, 1)])
    write_bundle(other, tmp_path / "reel.mag", "another")
    check = golden_answers(tmp_path / "reel.mag", address, "reel")
    assert not check.passed
    assert check.figure < len(CALLS)
    assert "The SavedModel is not the model that was measured" in check.sentence


def test_a_server_without_the_model_gets_a_sentence(model, address, tmp_path):
    write_bundle(model, tmp_path / "reel.mag", "the same")
    with pytest.raises(KakeaiError, match="gave no answer for model jig"):
        golden_answers(tmp_path / "reel.mag", address, "jig")
