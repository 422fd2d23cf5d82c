"""Loss, perplexity and accuracies, with Magenta's definitions (`magenta/models/shared/events_rnn_graph.py`)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

TensorLike = tf.Tensor | np.ndarray


class Figures(NamedTuple):
    """How well labels are predicted.

    Attributes:
        loss: Mean cross-entropy of a step, in nats.
        perplexity: exp(loss).
        accuracy: Share of steps whose likeliest label is the right one.
        event_accuracy: The same, over steps whose label is not "no event".
        no_event_accuracy: The same, over the others.
    """

    loss: float
    perplexity: float
    accuracy: float
    event_accuracy: float
    no_event_accuracy: float


def cross_entropy(logits: TensorLike, labels: TensorLike) -> tf.Tensor:
    """Return float32 [batch, time] for logits [batch, time, classes] and labels int32 [batch, time]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def count(logits: TensorLike, labels: TensorLike, lengths: TensorLike, no_event_label: int) -> tf.Tensor:
    """Return float32 [6], what `figures` divides; counts of several batches may be added.

    They are: summed cross-entropy, right steps, right and all events, right and all no-events.

    Args:
        logits: float32 [batch, time, classes].
        labels: int32 [batch, time].
        lengths: int32 [batch], labels that count.
        no_event_label: The encoding's.
    """
    counted = tf.sequence_mask(lengths, tf.shape(labels)[1])
    right = counted & (tf.argmax(logits, axis=-1, output_type=tf.int32) == labels)
    is_event = counted & (labels != no_event_label)
    is_hold = counted & (labels == no_event_label)
    entropy = tf.where(counted, cross_entropy(logits, labels), 0.0)
    flags = (right, right & is_event, is_event, right & is_hold, is_hold)
    sums = [tf.reduce_sum(tf.cast(flag, tf.float32)) for flag in flags]
    return tf.stack([tf.reduce_sum(entropy), *sums])


def figures(counts: np.ndarray) -> Figures:
    """Return the figures of summed counts; a share of nothing is 0."""
    entropy, right, right_events, events, right_holds, holds = (float(value) for value in counts)
    loss = entropy / max(events + holds, 1.0)
    return Figures(
        loss,
        float(np.exp(loss)),
        right / max(events + holds, 1.0),
        right_events / max(events, 1.0),
        right_holds / max(holds, 1.0),
    )
