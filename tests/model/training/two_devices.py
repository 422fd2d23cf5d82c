"""Two training steps on one device and on two; to be run as a process, which alone can divide its processor."""

import kakeai.model  # noqa: F401  settles TensorFlow's Keras

import numpy as np  # isort: skip
import tensorflow as tf

from kakeai.model.configs import config_named
from kakeai.model.data.batches import pad
from kakeai.model.training.trainer import Trainer

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(1)
batch = pad([rng.integers(50, 70, length).astype(np.int8) for length in (40, 38, 33, 30, 24, 21, 17)])
config = config_named("lookback_rnn", "batch_size=7,rnn_layer_sizes=[8,8]")
trainers = [Trainer(config, 0, devices=names) for names in (["CPU:0"], ["CPU:0", "CPU:1"])]
for _ in range(2):
    counts = [trainer.train(batch) for trainer in trainers]
    np.testing.assert_allclose(counts[1], counts[0], rtol=1e-5)
one, two = (trainer.state for trainer in trainers)
for name, expected in one.items():
    # Adam makes steps of the same size from gradients that are nothing but rounding.
    nothing = 2e-4 if name.startswith("model/") else 1e-6
    np.testing.assert_allclose(two[name], expected, rtol=1e-4, atol=nothing, err_msg=name)
graph = trainers[1]._train.get_concrete_function().graph.as_graph_def()
assert {node.device[-5:] for node in graph.node if node.device} == {"CPU:0", "CPU:1"}
