"""One training step, one evaluation, and checkpoints between them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kakeai.model.batches import Batch
from kakeai.model.configs import Config
from kakeai.model.encodings import encoding_of, squash
from kakeai.model.figures import count, cross_entropy
from kakeai.model.network import MelodyRnn
from kakeai.model.run import KEPT_CHECKPOINTS, variables_of
from kakeai.processors import usable_processors

ADAM_EPSILON = 1e-8  # TensorFlow's default, which Magenta trains with; Keras's is 1e-7

COMPILED_UNITS = 64  # layers as large as this earn back the seconds that XLA takes to compile a step
ROWS_A_CORE = 16  # a smaller share of a batch would not keep a core busy

BATCH = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]


class Trainer:
    """Optimises a model, starting from the newest checkpoint of its run if there is one.

    Loss, optimiser and clipping are Magenta's (`magenta/models/shared/events_rnn_graph.py`): mean cross-entropy over
    the steps that count, Adam, and each gradient clipped by its own norm.

    A batch is divided among the cores, since XLA runs a loop on one of them; each width of a batch is compiled anew.
    """

    def __init__(self, config: Config, seed: int, run_dir: Path, start: MelodyRnn | None = None) -> None:
        """Build model and optimiser, and restore them; a new run begins with the weights of `start`, if given."""
        self.model = MelodyRnn(config, seed)
        if start is not None:
            self.model.set_weights(start.get_weights())
        self._seed, self._num_parts = seed, _num_parts(config.hparams.batch_size)
        self._encoding = encoding_of(config)
        self._optimizer = keras.optimizers.Adam(config.hparams.learning_rate, epsilon=ADAM_EPSILON)
        self._optimizer.build(self.model.trainable_variables)
        self._step = tf.Variable(tf.zeros([], tf.int64))
        checkpoint = tf.train.Checkpoint(
            model=variables_of(self.model), optimizer=self._optimizer, step=self._step
        )
        self._newest = tf.train.CheckpointManager(checkpoint, str(run_dir / "train"), KEPT_CHECKPOINTS)
        self._best = tf.train.CheckpointManager(checkpoint, str(run_dir / "best"), max_to_keep=1)
        self._newest.restore_or_initialize()
        compiled = max(config.hparams.rnn_layer_sizes) >= COMPILED_UNITS
        self._run_gradients = tf.function(self._gradients, autograph=False, jit_compile=compiled)
        self._run_counts = tf.function(self._counts, autograph=False, jit_compile=compiled)

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

    @tf.function(input_signature=BATCH, autograph=False)
    def _train(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        kept = self._draw_kept(tf.shape(melody)[1] - 1, tf.shape(melody)[0])
        parts = [
            self._run_gradients(*self._encode(melody[i]), length[i], [layer[:, i] for layer in kept])
            for i in self._parts()
        ]
        counts, gradients = (list(results) for results in zip(*parts, strict=True))
        steps = tf.cast(tf.reduce_sum(length - 1), tf.float32)
        means = [tf.add_n(shares) / steps for shares in zip(*gradients, strict=True)]
        self._optimizer.apply(self._clipped(means), self.model.trainable_variables)
        self._step.assign_add(1)
        return tf.add_n(counts)

    @tf.function(input_signature=BATCH, autograph=False)
    def _evaluate(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        parts = [self._run_counts(*self._encode(melody[i]), length[i]) for i in self._parts()]
        return tf.add_n(parts)

    def _gradients(
        self, inputs: tf.Tensor, labels: tf.Tensor, length: tf.Tensor, kept: list[tf.Tensor]
    ) -> tuple[tf.Tensor, Sequence[Any]]:
        # Counts, and the gradients of the summed cross-entropy.
        counted = tf.sequence_mask(length - 1, tf.shape(labels)[1], tf.float32)
        with tf.GradientTape() as tape:
            logits = self.model(inputs, kept=kept)
            entropy = tf.reduce_sum(cross_entropy(logits, labels) * counted)
        gradients = tape.gradient(entropy, self.model.trainable_variables)
        return count(logits, labels, length - 1, self._encoding.no_event_label), gradients

    def _counts(self, inputs: tf.Tensor, labels: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        return count(self.model(inputs), labels, length - 1, self._encoding.no_event_label)

    def _parts(self) -> list[slice]:
        # A batch is sorted by length; every so manieth row gives each core the same work.
        return [slice(first, None, self._num_parts) for first in range(self._num_parts)]

    def _clipped(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        # Each by its own norm; but what an LSTM's inputs and its state are multiplied with is one variable in Magenta.
        squares = [tf.reduce_sum(tf.square(gradient)) for gradient in gradients]
        places = {id(variable): i for i, variable in enumerate(self.model.trainable_variables)}
        for cell in self.model.lstm_cells:
            first, second = places[id(cell.kernel)], places[id(cell.recurrent_kernel)]
            squares[first] = squares[second] = squares[first] + squares[second]
        limit = self.model.config.hparams.clip_norm
        return [
            gradient * limit / tf.maximum(tf.sqrt(square), limit)
            for gradient, square in zip(gradients, squares, strict=True)
        ]

    def _draw_kept(self, time: tf.Tensor, batch: tf.Tensor) -> list[tf.Tensor]:
        # For each layer, which outputs dropout leaves: bool [time, batch, units]. Drawn from the number of the step,
        # so that a training that goes on draws what it would have drawn, and here, since XLA draws slowly.
        sizes = self.model.config.hparams.rnn_layer_sizes
        seed = tf.stack([tf.constant(self._seed, tf.int64), self._step])
        draws = tf.random.stateless_uniform(tf.stack([time, batch, sum(sizes)]), seed)
        return tf.split(draws < self.model.config.hparams.dropout_keep_prob, sizes, axis=2)

    def _encode(self, melody: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        squashed, _ = squash(melody, self.model.config)
        return self._encoding.encode(squashed)


def _num_parts(batch_size: int) -> int:
    # How many programs share a batch: one on a GPU, else as many as there are cores to run them.
    if tf.config.list_physical_devices("GPU"):
        return 1
    most = max(1, min(usable_processors(), batch_size // ROWS_A_CORE))
    return max(parts for parts in range(1, most + 1) if batch_size % parts == 0)
