"""The encodings of `whole_melodies`, one step at a time, with as few operations in the graph as possible.

A sampler's loop pays for every operation, so what `whole_melodies` computes for all steps is looked up here in tables
that are made once, from a step's own label (`Encoding.classes`) and a few small tensors of what came before. Tests
hold both to the same inputs. A step's label is never that of a repeat: `meanings` tells what a repeat stands for.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kakeai.model.encodings.history import RECENT_PITCHES
from kakeai.model.encodings.keys import KEYS, PITCH_CLASSES
from kakeai.model.encodings.whole_melodies import (
    SPECIAL_EVENTS,
    Encoding,
    KeyEncoding,
    LookbackEncoding,
    OneHotEncoding,
)


class Past(NamedTuple):
    """What is known of each melody of a batch just after a step; an encoding leaves out what it does not read.

    Attributes:
        position: int32 [batch], index of the newest step; -1 before the first.
        labels: int32 [batch, Encoding.window], of the last steps, the newest at the end; before the first, of NO_EVENT.
        line: int32 [batch], row of `_Line` that says what sounds and how the melody came there.
        last_begun: int32 [batch, pitches], which step each pitch last began at, counted from 1; 0 for never.
        key_fits: float32 [batch, 12], how many notes of the melody belong to each major key.
    """

    position: tf.Tensor
    labels: tf.Tensor
    line: tf.Tensor | tuple[()] = ()
    last_begun: tf.Tensor | tuple[()] = ()
    key_fits: tf.Tensor | tuple[()] = ()


class StepEncoding(ABC):
    """One encoding, for the newest step of a batch of melodies."""

    def __init__(self, encoding: Encoding) -> None:
        """Make the tables."""
        self.encoding = encoding
        self.num_events = encoding.num_pitches + SPECIAL_EVENTS
        self.no_event = encoding.no_event_label

    def begin(self, batch: tf.Tensor) -> Past:
        """Return the past of `batch` melodies that have not begun."""
        return Past(tf.fill([batch], -1), tf.fill([batch, self.encoding.window], self.no_event))

    def extend(self, past: Past, label: tf.Tensor) -> Past:
        """Return the past one step on.

        Args:
            past: Of the steps before.
            label: int32 [batch], the next step's own label.
        """
        labels = tf.concat([past.labels[:, 1:], tf.expand_dims(label, 1)], axis=1)
        return past._replace(position=past.position + 1, labels=labels)

    @abstractmethod
    def inputs(self, past: Past) -> tf.Tensor:
        """Return float32 [batch, input_size]: what the network is told after the newest step."""

    def meanings(self, past: Past) -> tf.Tensor:
        """Return int32 [batch, num_classes]: what each label would mean at the next step, as the step's own label."""
        own = tf.expand_dims(tf.zeros_like(past.position), 1) + tf.range(self.num_events)
        if not self.encoding.lookbacks:
            return own
        return tf.concat([own, _before_next(past, self.encoding)], axis=1)


class OneHotStep(StepEncoding):
    """`OneHotEncoding`, step by step."""

    def inputs(self, past: Past) -> tf.Tensor:
        """Return float32 [batch, input_size]."""
        return tf.one_hot(past.labels[:, -1], self.num_events)


class LookbackStep(StepEncoding):
    """`LookbackEncoding`, step by step."""

    def __init__(self, encoding: LookbackEncoding) -> None:
        """Make the tables."""
        super().__init__(encoding)
        self.counters = _counters(encoding.counter_bits)

    def inputs(self, past: Past) -> tf.Tensor:
        """Return float32 [batch, input_size]."""
        newest_and_repeated = tf.concat([past.labels[:, -1:], _before_next(past, self.encoding)], axis=1)
        events = tf.one_hot(newest_and_repeated, self.num_events)
        events = tf.reshape(events, [-1, (1 + len(self.encoding.lookbacks)) * self.num_events])
        counter = tf.gather(self.counters, tf.math.floormod(past.position + 1, len(self.counters)))
        return tf.concat([events, counter, _repeats(past, self.encoding)], axis=1)


class KeyStep(StepEncoding):
    """`KeyEncoding`, step by step."""

    def __init__(self, encoding: KeyEncoding) -> None:
        """Make the tables."""
        super().__init__(encoding)
        self.line = _Line(encoding)
        counters = _counters(encoding.counter_bits)
        # Counters and bars begin together again after so many steps.
        positions = np.arange(math.lcm(len(counters), encoding.steps_per_bar))
        bar_starts = positions % encoding.steps_per_bar == 0
        counters = counters[positions % len(counters)]
        self.metre = np.concatenate([counters, bar_starts[:, None].astype(np.float32)], axis=1)
        pitch_classes = np.arange(encoding.min_note, encoding.max_note) % PITCH_CLASSES
        self.keys_of_pitch = KEYS[pitch_classes]
        self.keys_of_label = np.pad(self.keys_of_pitch, [(0, SPECIAL_EVENTS), (0, 0)])  # pitches come first

    def begin(self, batch: tf.Tensor) -> Past:
        """Return the past of `batch` melodies that have not begun."""
        return (
            super()
            .begin(batch)
            ._replace(
                line=tf.fill([batch], self.line.beginning),
                last_begun=tf.zeros([batch, self.encoding.num_pitches], tf.int32),
                key_fits=tf.zeros([batch, PITCH_CLASSES]),
            )
        )

    def extend(self, past: Past, label: tf.Tensor) -> Past:
        """Return the past one step on."""
        past, line = super().extend(past, label), past.line
        begins = tf.one_hot(label, self.encoding.num_pitches, dtype=tf.int32)
        return past._replace(
            line=tf.gather(self.line.next, line * self.num_events + label),
            last_begun=tf.maximum(past.last_begun, begins * tf.expand_dims(past.position + 1, 1)),
            key_fits=past.key_fits + tf.gather(self.keys_of_label, label),
        )

    def inputs(self, past: Past) -> tf.Tensor:
        """Return float32 [batch, input_size]."""
        metre = tf.gather(self.metre, tf.math.floormod(past.position + 1, len(self.metre)))
        # The newest pitches: those that last began no earlier than the last of the newest, if they began at all.
        newest = tf.math.top_k(past.last_begun, RECENT_PITCHES, sorted=True).values
        is_recent = past.last_begun >= tf.maximum(newest[:, -1:], 1)
        recent_fits = tf.matmul(tf.cast(is_recent, tf.float32), self.keys_of_pitch)
        fits = tf.stack([past.key_fits, recent_fits], axis=1)
        likeliest = tf.cast(tf.equal(fits, tf.reduce_max(fits, axis=2, keepdims=True)), tf.float32)
        keys = tf.reshape(likeliest, [-1, 2 * PITCH_CLASSES])
        return tf.concat(
            [tf.gather(self.line.features, past.line), _repeats(past, self.encoding), metre, keys], axis=1
        )


class _Line:
    # What the key encoding tells of the melodic line has few states, so it is a table of states:
    # whether the last note still sounds, whether it was struck since the last NO_EVENT, whether the line last fell,
    # stayed or rose, and the last note, if any.

    DIRECTIONS = (0, 1, -1)

    def __init__(self, encoding: KeyEncoding) -> None:
        pitches = encoding.num_pitches
        none = pitches  # a last note of the line's that is none
        shape = (2, 2, len(self.DIRECTIONS), pitches + 1)
        sounds, attacked, direction, last = (axis[:, None] for axis in np.indices(shape).reshape(4, -1))
        self.beginning = int(np.ravel_multi_index((0, 0, 0, none), shape))

        labels = np.arange(pitches + SPECIAL_EVENTS)[None, :]  # pitches, NO_EVENT, NOTE_OFF
        is_note = labels < pitches
        holds = labels == pitches
        ends = labels == pitches + 1
        moved = np.where(is_note & (last != none), np.sign(labels - last), 0)
        state = (
            np.where(holds, sounds, is_note),
            np.where(ends, attacked, is_note),
            np.where(moved == 0, direction, moved % len(self.DIRECTIONS)),
            np.where(is_note, labels, last),
        )
        # [state * labels]: the state after each label.
        self.next = np.ravel_multi_index(np.broadcast_arrays(*state), shape).astype(np.int32).ravel()

        sounding = sounds * (last == np.arange(pitches))
        silent = (1 - sounds) | (last == none)
        directions = np.array(self.DIRECTIONS)[direction]
        # [state, features], in the order of the encoding's inputs
        features = np.concatenate([sounding, 1 - silent, silent, attacked, directions], axis=1)
        self.features = features.astype(np.float32)


STEP_ENCODINGS: dict[type[Encoding], type[StepEncoding]] = {
    OneHotEncoding: OneHotStep,
    LookbackEncoding: LookbackStep,
    KeyEncoding: KeyStep,
}


def step_encoding_of(encoding: Encoding) -> StepEncoding:
    """Return the same encoding for the newest step alone."""
    return STEP_ENCODINGS[type(encoding)](encoding)


def _before_next(past: Past, encoding: Encoding) -> tf.Tensor:
    # int32 [batch, lookbacks]: the labels that lie each lookback before the next step.
    near, far = encoding.lookbacks
    return past.labels[:, encoding.window - near :: near - far]


def _repeats(past: Past, encoding: Encoding) -> tf.Tensor:
    # float32 [batch, lookbacks]: 1 where the newest label is that of each lookback before.
    near, far = encoding.lookbacks
    before = past.labels[:, encoding.window - 1 - near :: near - far]
    same = tf.equal(past.labels[:, -1:], before)
    return tf.cast(tf.logical_and(same, tf.expand_dims(past.position, 1) >= encoding.lookbacks), tf.float32)


def _counters(bits: int) -> np.ndarray:
    # float32 [2 ** bits, bits]: each number in binary as -1 and 1, lowest bit first.
    return (2.0 * (np.arange(2**bits)[:, None] >> np.arange(bits) & 1) - 1).astype(np.float32)
