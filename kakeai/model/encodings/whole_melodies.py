"""Melody events ⇄ the inputs and labels of the MelodyRNN family, as array operations.

What an encoding may know about a melody is a `History` (`history.py` beside this file), with one entry for each step
of a whole batch. Inputs and labels are computed from it for all steps at once. `single_steps.py` does the same for one
step.

The numbers equal note-seq 0.0.5: `note_seq/encoder_decoder.py` and `note_seq/melody_encoder_decoder.py`.
"""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportOptionalSubscript=false

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kakeai.model.configs import Config
from kakeai.model.encodings.history import History, histories
from kakeai.model.encodings.keys import PITCH_CLASSES, likeliest_keys, pitch_classes
from kakeai.music.melody import NO_EVENT, NOTE_OFF

Tensor = Any  # a tensor of Keras's backend, or what converts to one

LOOKBACK_BARS = (1, 2)  # how far back repeats lie (note_seq.encoder_decoder, where a bar always has 16 steps)
SPECIAL_EVENTS = 2  # no event and note-off


@dataclass(frozen=True)
class Encoding(ABC):
    """The alphabet that all encodings share: pitches of [min_note, max_note) and two special events."""

    min_note: int
    max_note: int
    steps_per_bar: int

    # What a subclass adds to it.
    lookback_bars = ()  # how far back the repeats lie that have a label of their own
    melodic = False  # whether `inputs` reads the fields of `History` below `position`

    @property
    def num_pitches(self) -> int:
        """How many pitches the model knows."""
        return self.max_note - self.min_note

    @property
    def lookbacks(self) -> tuple[int, ...]:
        """How many steps back each repeat lies, the nearest first."""
        return tuple(bars * self.steps_per_bar for bars in self.lookback_bars)

    @property
    def window(self) -> int:
        """How many steps a history keeps: the newest, and as many as the longest lookback before it."""
        return max(self.lookbacks, default=0) + 1

    @property
    def num_classes(self) -> int:
        """How many labels there are: pitches, special events and repeats."""
        return self.num_pitches + SPECIAL_EVENTS + len(self.lookbacks)

    @property
    @abstractmethod
    def input_size(self) -> int:
        """Length of one step's input vector."""

    @property
    def no_event_label(self) -> int:
        """The label of NO_EVENT where it is no repeat."""
        return 0

    @abstractmethod
    def inputs(self, history: History) -> Tensor:
        """Return float32 [..., input_size]: what the network is told after the newest step."""

    def classes(self, events: Tensor) -> Tensor:
        """Return int32 [...]: the label of each event, repeats left out."""
        pitched = events - self.min_note + SPECIAL_EVENTS
        return ops.where(events < 0, events + SPECIAL_EVENTS, pitched)

    def events(self, classes: Tensor) -> Tensor:
        """Return int32 [...]: the event of each label below the repeats; the inverse of `classes`."""
        pitched = classes - SPECIAL_EVENTS + self.min_note
        return ops.where(classes < SPECIAL_EVENTS, classes - SPECIAL_EVENTS, pitched)

    def repeated(self, history: History) -> list[Tensor]:
        """Return, for each repeat label, int32 [...]: the event that it stands for at the next step."""
        return [history.window[..., self.window - distance] for distance in self.lookbacks]

    def labels(self, events: Tensor, history: History) -> Tensor:
        """Return int32 [...]: the label of each event as the step after `history`; far repeats come first."""
        labels = self.classes(events)
        for i, repeated in enumerate(self.repeated(history)):
            labels = ops.where(ops.equal(events, repeated), self.num_pitches + SPECIAL_EVENTS + i, labels)
        return labels

    def log_likelihood(self, log_probabilities: Tensor, events: Tensor, repeated: Sequence[Tensor]) -> Tensor:
        """Return float32 [...]: log-probability of each event as the next step.

        Several labels can mean the same event (its own and repeats of it); their probabilities add up.

        Args:
            log_probabilities: float32 [..., num_classes], the model's after the steps before.
            events: int32 [...], pitches within the model's range.
            repeated: What each repeat label would mean, as `repeated` gives it.
        """
        meant = [ops.take_along_axis(log_probabilities, self.classes(events)[..., None], axis=-1)[..., 0]]
        for i, event in enumerate(repeated):
            log_probability = log_probabilities[..., self.num_pitches + SPECIAL_EVENTS + i]
            meant.append(ops.where(ops.equal(events, event), log_probability, -np.inf))
        return ops.logsumexp(ops.stack(meant, axis=-1), axis=-1)

    def event_probabilities(self, probabilities: Tensor, history: History) -> Tensor:
        """Return float32 [..., num_pitches + 2]: the probability of each event, by its own label.

        Args:
            probabilities: float32 [..., num_classes], the model's after `history`.
            history: The steps before.
        """
        num_events = self.num_pitches + SPECIAL_EVENTS
        merged = probabilities[..., :num_events]
        for i, repeated in enumerate(self.repeated(history)):
            meant = ops.one_hot(self.classes(repeated), num_events)
            merged = merged + meant * probabilities[..., num_events + i, None]
        return merged

    def encode(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs float32 [batch, time - 1, input_size] and labels int32 [batch, time - 1] of melodies.

        Args:
            events: int32 [batch, time], squashed into the model's range.
        """
        before = self.histories(events[:, :-1])
        return self.inputs(before), self.labels(events[:, 1:], before)

    def histories(self, events: Tensor) -> History:
        """Return what is known just after each step of whole melodies; as `history.histories`."""
        return histories(events, self.window, self.melodic)


class OneHotEncoding(Encoding):
    """The newest event and nothing else (`OneHotEventSequenceEncoderDecoder`): `basic_rnn`, `mono_rnn`."""

    @property
    def input_size(self) -> int:
        """One place for each event."""
        return self.num_classes

    def inputs(self, history: History) -> Tensor:
        """Return float32 [..., input_size]."""
        return ops.one_hot(self.classes(history.window[..., -1]), self.num_classes)


class LookbackEncoding(Encoding):
    """Adds repeats of one and two bars ago and the metre (`LookbackEventSequenceEncoderDecoder`)."""

    lookback_bars = LOOKBACK_BARS
    counter_bits = 5

    @property
    def input_size(self) -> int:
        """The event, what each lookback would bring next, the counter, and whether the step repeats each."""
        num_events = self.num_pitches + SPECIAL_EVENTS
        return num_events * (1 + len(self.lookbacks)) + self.counter_bits + len(self.lookbacks)

    def inputs(self, history: History) -> Tensor:
        """Return float32 [..., input_size]."""
        num_events = self.num_pitches + SPECIAL_EVENTS
        return ops.concatenate(
            [
                ops.one_hot(self.classes(history.window[..., -1]), num_events),
                *[ops.one_hot(self.classes(event), num_events) for event in self.repeated(history)],
                _counter(history, self.counter_bits),
                _repeats(history, self.lookbacks),
            ],
            axis=-1,
        )


class KeyEncoding(Encoding):
    """What sounds, how it moves, and in which keys (`KeyMelodyEncoderDecoder`): `attention_rnn`."""

    lookback_bars = LOOKBACK_BARS
    melodic = True
    counter_bits = 7

    @property
    def input_size(self) -> int:
        """Pitch, note or silence, attack, direction, repeats, counter, start of a bar, and keys twice."""
        return self.num_pitches + 2 + 1 + 1 + len(self.lookbacks) + self.counter_bits + 1 + 2 * PITCH_CLASSES

    @property
    def no_event_label(self) -> int:
        """In this encoding the pitches come first."""
        return self.num_pitches

    def classes(self, events: Tensor) -> Tensor:
        """Return int32 [...]: pitches first, then NO_EVENT, then NOTE_OFF."""
        special = ops.where(ops.equal(events, NOTE_OFF), self.num_pitches + 1, self.num_pitches)
        return ops.where(events < 0, special, events - self.min_note)

    def events(self, classes: Tensor) -> Tensor:
        """Return int32 [...]: the inverse of `classes`."""
        special = ops.where(ops.equal(classes, self.num_pitches), NO_EVENT, NOTE_OFF)
        return ops.where(classes < self.num_pitches, classes + self.min_note, special)

    def inputs(self, history: History) -> Tensor:
        """Return float32 [..., input_size]."""
        sounds = ops.cast(history.sounding >= 0, "float32")[..., None]
        bar_starts = ops.equal((history.position + 1) % self.steps_per_bar, 0)
        return ops.concatenate(
            [
                ops.one_hot(history.sounding - self.min_note, self.num_pitches),  # zeros in silence
                sounds,
                1.0 - sounds,
                ops.cast(history.attacked, "float32")[..., None],
                ops.cast(history.direction, "float32")[..., None],
                _repeats(history, self.lookbacks),
                _counter(history, self.counter_bits),
                ops.cast(bar_starts, "float32")[..., None],
                likeliest_keys(history.pitch_classes),
                likeliest_keys(ops.sum(pitch_classes(history.recent), axis=-2)),
            ],
            axis=-1,
        )


ENCODINGS: dict[str, type[Encoding]] = {
    "one_hot": OneHotEncoding,
    "lookback": LookbackEncoding,
    "key": KeyEncoding,
}


def encoding_of(config: Config) -> Encoding:
    """Return the encoding that a configuration names, over its range of pitches and with its bars."""
    return ENCODINGS[config.encoding](config.min_note, config.max_note, config.steps_per_bar)


def _repeats(history: History, lookbacks: Sequence[int]) -> Tensor:
    # [..., lookbacks]: 1 where the newest event is that of one lookback before.
    return ops.stack(
        [
            ops.cast(
                ops.logical_and(
                    history.position >= distance,
                    ops.equal(history.window[..., -1], history.window[..., -1 - distance]),
                ),
                "float32",
            )
            for distance in lookbacks
        ],
        axis=-1,
    )


def _counter(history: History, bits: int) -> Tensor:
    # [..., bits]: the position of the next event in binary, as -1 and 1, lowest bit first.
    powers = np.array([2**i for i in range(bits)], np.int32)
    bit = (history.position[..., None] + 1) // powers % 2
    return ops.cast(2 * bit - 1, "float32")
