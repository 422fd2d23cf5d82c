"""One training step and one evaluation, shared among cores, GPUs and machines."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.model.configs import Config
from kakeai.model.data.batches import Batch
from kakeai.model.encodings.keys import squash
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.measuring.figures import count, cross_entropy
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.network.precision import LossScale
from kakeai.model.training import checkpoints
from kakeai.model.training.workers import Workers
from kakeai.processors import usable_processors

# The memory of a training step is kept for the next one. Given back to the system, it would come anew page by page,
# a quarter of the step's time. TensorFlow reads this before it first computes; what only plays does without.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")

ADAM_EPSILON = 1e-8  # TensorFlow's default, which Magenta trains with; Keras's is 1e-7

COMPILED_UNITS = 64  # layers as large as this earn back the seconds that XLA takes to compile a step
ROWS_A_CORE = 16  # a smaller share of a batch would not keep a core busy

BATCH = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]


class Trainer:
    """Optimises a model.

    Loss, optimiser and clipping are Magenta's (`magenta/models/shared/events_rnn_graph.py`): mean cross-entropy over
    the steps that count, Adam, and each gradient clipped by its own norm.

    A batch is divided by rows: among the workers, and each one's share among its GPUs, or among its cores, since XLA
    runs a loop on one of them. Summed gradients are the same however it is divided. Each width of a batch is compiled
    anew.
    """

    def __init__(
        self,
        config: Config,
        seed: int,
        start: MelodyRnn | None = None,
        mixed_precision: str = "",
        devices: Sequence[str] = (),
        workers: Workers | None = None,
    ) -> None:
        """Build model and optimiser.

        Args:
            config: Configuration and hyperparameters.
            seed: Of initial weights and dropout.
            start: Model whose weights to begin with.
            mixed_precision: What products are computed in, see `kakeai.model.network.precision`; empty for float32.
            devices: The GPUs that share a batch, by their TensorFlow names, such as GPU:0; none for the cores.
            workers: The processes that share a batch; by default this one is alone.

        Raises:
            KakeaiError: More devices and workers than a batch has melodies.
        """
        self.model = MelodyRnn(config, seed)
        if start is not None:
            self.model.set_weights(start.get_weights())
        self._seed, self._precision = seed, mixed_precision
        self._encoding = encoding_of(config)
        self._workers = workers or Workers()
        self._shares = _shares(config.hparams.batch_size, self._workers, devices)
        self._optimizer = keras.optimizers.Adam(config.hparams.learning_rate, epsilon=ADAM_EPSILON)
        self._optimizer.build(self.model.trainable_variables)
        self._scale = LossScale() if mixed_precision == "float16" else None
        self._step = tf.Variable(tf.zeros([], tf.int64))
        self._counts_so_far = tf.Variable(tf.zeros([6]))
        self._variables = {
            "step": [self._step],
            "counts": [self._counts_so_far],
            "model": self.model.variables,
            "optimizer": self._optimizer.variables,
            "loss_scale": self._scale.variables if self._scale else [],
        }
        compiled = max(config.hparams.rnn_layer_sizes) >= COMPILED_UNITS
        self._run_gradients = tf.function(self._gradients, autograph=False, jit_compile=compiled)
        self._run_counts = tf.function(self._counts, autograph=False, jit_compile=compiled)

    @property
    def step(self) -> int:
        """Training steps done, those before an interruption counted in."""
        return int(self._step)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All that training needs to go on."""
        return checkpoints.state_of(self._variables)

    def restore(self, state: checkpoints.State) -> None:
        """Go on from a `state`.

        Raises:
            KakeaiError: It is that of another training.
        """
        checkpoints.assign(state, self._variables)

    def train(self, batch: Batch) -> np.ndarray:
        """Do one step; return its counts, see `kakeai.model.measuring.figures.count`."""
        return self._train(tf.constant(batch.melody), tf.constant(batch.length)).numpy()

    def take_counts(self) -> np.ndarray:
        """Return the counts of all steps since this was last called."""
        counts = self._counts_so_far.numpy()
        self._counts_so_far.assign(np.zeros_like(counts))
        return counts

    def evaluate(self, batch: Batch) -> np.ndarray:
        """Return the counts of a batch, see `kakeai.model.measuring.figures.count`."""
        return self._evaluate(tf.constant(batch.melody), tf.constant(batch.length)).numpy()

    @tf.function(input_signature=BATCH, autograph=False)
    def _train(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        draws = self._draws(tf.shape(melody)[1] - 1, tf.shape(melody)[0])
        numbers = tf.range(tf.shape(melody)[0])
        num_steps = tf.cast(tf.reduce_sum(length - 1), tf.float32)
        # Gradients of the sum are large enough as they are, but for float16.
        factor = self._scale.value / num_steps if self._scale else tf.constant(1.0)
        counts, gradients = [], []
        for rows, device in self._shares:
            with tf.device(device):
                encoded = self._encode(melody[rows])
                # Gathering copies a row's draws at once, where a slice with strides goes number by number.
                own_draws = tf.gather(draws, numbers[rows], axis=1)
                results = self._run_gradients(*encoded, length[rows], own_draws, factor)
            counts.append(results[0])
            gradients.append(results[1])
        sums = [tf.add_n(counts), *(tf.add_n(shares) for shares in zip(*gradients, strict=True))]
        total, *gradients = self._workers.sums(sums)
        means = [gradient / (factor * num_steps) for gradient in gradients]

        def update() -> None:
            self._optimizer.apply(self._clipped(means), self.model.trainable_variables)

        if self._scale:
            self._scale.apply(means, update)
        else:
            update()
        self._step.assign_add(1)
        self._counts_so_far.assign_add(total)
        return total

    @tf.function(input_signature=BATCH, autograph=False)
    def _evaluate(self, melody: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        counts = []
        for rows, device in self._shares:
            with tf.device(device):
                counts.append(self._run_counts(*self._encode(melody[rows]), length[rows]))
        return self._workers.sums([tf.add_n(counts)])[0]

    def _gradients(
        self,
        inputs: tf.Tensor,
        labels: tf.Tensor,
        length: tf.Tensor,
        draws: tf.Tensor,
        factor: tf.Tensor,
    ) -> tuple[tf.Tensor, Sequence[Any]]:
        # Counts, and the gradients of the summed cross-entropy times `factor`.
        counted = tf.sequence_mask(length - 1, tf.shape(labels)[1], tf.float32)
        hparams = self.model.config.hparams
        kept = tf.split(draws < hparams.dropout_keep_prob, hparams.rnn_layer_sizes, axis=2)
        with tf.GradientTape() as tape:
            logits = self.model(inputs, kept=kept, precision=self._precision)
            entropy = tf.reduce_sum(cross_entropy(logits, labels) * counted) * factor
        gradients = tape.gradient(entropy, self.model.trainable_variables)
        return count(logits, labels, length - 1, self._encoding.no_event_label), gradients

    def _counts(self, inputs: tf.Tensor, labels: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        return count(self.model(inputs), labels, length - 1, self._encoding.no_event_label)

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

    def _draws(self, time: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        # What dropout decides by, from 0 to 1: float32 [time, batch, units of all layers]. Drawn from the number of
        # the step, so that a training that goes on draws what it would have drawn, and here, since XLA draws slowly.
        seed = tf.stack([tf.constant(self._seed, tf.int64), self._step])
        return tf.random.stateless_uniform(
            tf.stack([time, batch, sum(self.model.config.hparams.rnn_layer_sizes)]), seed
        )

    def _encode(self, melody: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        squashed, _ = squash(melody, self.model.config)
        return self._encoding.encode(squashed)


def _shares(batch_size: int, workers: Workers, devices: Sequence[str]) -> list[tuple[slice, str | None]]:
    # Which rows of a batch this process computes, and where. A batch is sorted by length: every so manieth row makes
    # shares of the same work.
    own_rows = batch_size // workers.count
    places = list(devices) or [None] * max(1, min(usable_processors(), own_rows // ROWS_A_CORE))
    num_shares = workers.count * len(places)
    if num_shares > batch_size:
        raise KakeaiError(
            f"a batch of {batch_size} melodies cannot be shared by {num_shares}; raise batch_size in --hparams"
        )
    return [
        (slice(workers.index + workers.count * i, None, num_shares), place) for i, place in enumerate(places)
    ]
