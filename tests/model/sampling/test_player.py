"""Playing step by step: against the network over whole melodies, after primers of every length."""

import numpy as np
import pytest
import tensorflow as tf

from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.player import Player

PRIMER = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, -2, -2]
LAYERS = ["[24]", "[24,16]"]


@pytest.fixture(scope="module", params=[(name, layers) for name in CONFIGS for layers in LAYERS])
def model(request):
    name, layers = request.param
    return MelodyRnn(config_named(name, f"rnn_layer_sizes={layers},attn_length=5"), seed=1)


@pytest.fixture(scope="module")
def logits_after(model):
    """One call for a batch: the logits that follow each primer."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def logits_after(labels):
        player = Player(model, tf.shape(labels)[0])
        output, _ = player.listen(player.prefill(labels))
        return player.network.logits(output)

    return logits_after


def test_a_primer_of_any_length_gives_the_whole_melodys_logits(model, logits_after):
    encoding = encoding_of(model.config)
    melodies = np.array([PRIMER * 2, PRIMER[::-1] * 2], np.int32)
    squashed, _ = squash(melodies, model.config)
    whole = np.array(model(encoding.inputs(encoding.histories(squashed))))
    labels = encoding.classes(squashed)
    for length in range(1, melodies.shape[1] + 1):
        np.testing.assert_allclose(logits_after(labels[:, :length]), whole[:, length - 1], atol=5e-6)
