"""One training step, one evaluation, and checkpoints between them."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kakeai.model.batches import Batch
from kakeai.model.configs import Config
from kakeai.model.encodings import encoding_of, squash
from kakeai.model.figures import count, cross_entropy
from kakeai.model.network import MelodyRnn
from kakeai.model.run import KEPT_CHECKPOINTS, variables_of

ADAM_EPSILON = 1e-8  # TensorFlow's default, which Magenta trains with; Keras's is 1e-7


class Trainer:
    """Optimises a model, starting from the newest checkpoint of its run if there is one.

    Loss, optimiser and clipping are Magenta's (`magenta/models/shared/events_rnn_graph.py`): mean cross-entropy over
    the steps that count, Adam, and each gradient clipped by its own norm.
    """

    def __init__(self, config: Config, seed: int, run_dir: Path) -> None:
        """Build model and optimiser, and restore them."""
        self.model = MelodyRnn(config, seed)
        self._encoding = encoding_of(config)
        self._optimizer = keras.optimizers.Adam(
            config.hparams.learning_rate, epsilon=ADAM_EPSILON, clipnorm=config.hparams.clip_norm
        )
        self._optimizer.build(self.model.trainable_variables)
        self._step = tf.Variable(tf.zeros([], tf.int64))
        checkpoint = tf.train.Checkpoint(
            model=variables_of(self.model), optimizer=self._optimizer, step=self._step
        )
        self._newest = tf.train.CheckpointManager(checkpoint, str(run_dir / "train"), KEPT_CHECKPOINTS)
        self._best = tf.train.CheckpointManager(checkpoint, str(run_dir / "best"), max_to_keep=1)
        self._newest.restore_or_initialize()

    @property
    def step(self) -> int:
        """Training steps done, those before an interruption counted in."""
        return int(self._step)

    def train(self, batch: Batch) -> np.ndarray:
        """Do one step; return its counts, see `kakeai.model.figures.count`."""
        return self._train(tf.constant(batch.melody), tf.constant(batch.length)).numpy()

    def evaluate(self, batch: Batch) -> np.ndarray:
        """Return the counts of a batch, see `kakeai.model.figures.count`."""
        return self._evaluate(tf.constant(batch.melody), tf.constant(batch.length)).numpy()

    def save(self, is_best: bool) -> None:
        """Write a checkpoint, whole or not at all; also as the best so far if it is."""
        self._newest.save(checkpoint_number=self._step)
        if is_best:
            self._best.save(checkpoint_number=self._step)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def _train(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        inputs, labels = self._encode(melody)
        counted = tf.sequence_mask(length - 1, tf.shape(labels)[1], tf.float32)
        with tf.GradientTape() as tape:
            logits = self.model(inputs, training=True)
            loss = tf.reduce_sum(cross_entropy(logits, labels) * counted) / tf.reduce_sum(counted)
        variables = self.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        self._step.assign_add(1)
        return count(logits, labels, length - 1, self._encoding.no_event_label)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def _evaluate(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        inputs, labels = self._encode(melody)
        return count(self.model(inputs), labels, length - 1, self._encoding.no_event_label)

    def _encode(self, melody: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        squashed, _ = squash(melody, self.model.config)
        return self._encoding.encode(squashed)
