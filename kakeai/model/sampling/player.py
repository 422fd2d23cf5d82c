"""Melodies played on step by step: what a sampler, or a search, needs of a model."""

from typing import NamedTuple

import tensorflow as tf

from kakeai.model.encodings.single_steps import Past, step_encoding_of
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.network.step_network import NetworkState, StepNetwork


class Performance(NamedTuple):
    """Where a batch of melodies stands: every tensor has the batch in front, so rows can be gathered.

    Attributes:
        past: What the encoding knows of the steps so far.
        network: What the network carried on from the steps that it has heard, which are all or all but the newest.
    """

    past: Past
    network: NetworkState


class Player:
    """A model that plays a batch of melodies on.

    In turn: `listen`, then `play` a label that the network's output made likely. Labels are those of the model's
    encoding.

    Args:
        model: Its weights as they are now are used; within a graph, make this outside of the loop.
        batch: int32 [], melodies that are played at once.
    """

    def __init__(self, model: MelodyRnn, batch: tf.Tensor) -> None:
        """Put weights and tables together."""
        self.batch = batch
        self.encoding = encoding_of(model.config)
        self.network = StepNetwork(model, batch)
        self._steps = step_encoding_of(self.encoding)

    def begin(self) -> Performance:
        """Return melodies of no step."""
        return Performance(self._steps.begin(self.batch), self.network.begin())

    def prefill(self, labels: tf.Tensor) -> Performance:
        """Return melodies whose steps are played and, but for the newest, listened to.

        Args:
            labels: int32 [batch, time], the steps' own labels (`Encoding.classes`), one step at least.
        """
        columns = tf.transpose(labels)
        begun = self.play(self.begin(), columns[0])

        def add_step(i: tf.Tensor, before: Performance) -> tuple[tf.Tensor, Performance]:
            _, after = self.listen(before)
            return i + 1, self.play(after, tf.gather(columns, i))

        return tf.while_loop(lambda i, _: i < tf.shape(columns)[0], add_step, (tf.constant(1), begun))[1]

    def listen(self, performance: Performance) -> tuple[tf.Tensor, Performance]:
        """Let the network hear the newest step.

        Returns:
            Its output, float32 [batch, units], for `network.logits`; and the performance with that step heard.
        """
        past = performance.past
        output, network = self.network.step(self._steps.inputs(past), past.position, performance.network)
        return output, Performance(past, network)

    def own_labels(self, performance: Performance, labels: tf.Tensor) -> tf.Tensor:
        """Return int32 [batch]: what each label would mean at the next step, as that step's own label."""
        return tf.gather(self._steps.meanings(performance.past), labels, batch_dims=1)

    def play(self, performance: Performance, label: tf.Tensor) -> Performance:
        """Add a step to each melody.

        Args:
            performance: The melodies so far, listened to.
            label: int32 [batch], the steps' own labels.
        """
        return performance._replace(past=self._steps.extend(performance.past, label))
