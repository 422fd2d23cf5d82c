"""Playing step by step: against the network over whole melodies, and melodies of unequal lengths at once."""

import numpy as np
import pytest
import tensorflow as tf

from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.encodings import encoding_of, squash
from kakeai.model.network import MelodyRnn
from kakeai.model.player import Player

PRIMER = [60, -2, 62, -2, 64, -2, -1, -2, 65, -2, -2, -2, 67, 65, 64, -2, -2, -2]
LAYERS = ["[24]", "[24,16]"]


@pytest.fixture(scope="module", params=[(name, layers) for name in CONFIGS for layers in LAYERS])
def model(request):
    name, layers = request.param
    return MelodyRnn(config_named(name, f"rnn_layer_sizes={layers},attn_length=5"), seed=1)


@pytest.fixture(scope="module")
def logits_after(model):
    """One call for a batch: the logits that follow each primer, of its length."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def logits_after(labels, length):
        player = Player(model, tf.shape(labels)[0])
        output, _ = player.listen(player.prefill(labels, length))
        return player.network.logits(output)

    return logits_after


def test_every_length_of_a_batch_gives_the_whole_melodys_logits(model, logits_after):
    encoding = encoding_of(model.config)
    squashed, _ = squash(np.array([PRIMER * 2], np.int32), model.config)
    whole = np.array(model(encoding.inputs(encoding.histories(squashed))))[0]
    lengths = np.arange(1, squashed.shape[1] + 1, dtype=np.int32)
    labels = tf.repeat(encoding.classes(squashed), len(lengths), axis=0)
    np.testing.assert_allclose(logits_after(labels, tf.constant(lengths)), whole, atol=5e-6)
