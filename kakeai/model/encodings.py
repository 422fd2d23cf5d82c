"""Melody events ⇄ the inputs and labels of the MelodyRNN family, as array operations.

What an encoding may know about a melody is a `History`, with one entry for each step of a whole batch. Everything after
it, inputs and labels, is worked out for all of them at once. `kakeai.model.step_encodings` does the same for one step.

The numbers equal note-seq 0.0.5: `note_seq/encoder_decoder.py` and `note_seq/melody_encoder_decoder.py`.
"""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportOptionalSubscript=false

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kakeai.model.configs import Config
from kakeai.music.melody import NO_EVENT, NOTE_OFF

Tensor = Any  # a tensor of Keras's backend, or what converts to one

LOOKBACK_BARS = (1, 2)  # how far back repeats lie (note_seq.encoder_decoder, where a bar always has 16 steps)
SPECIAL_EVENTS = 2  # no event and note-off
PITCH_CLASSES = 12
RECENT_PITCHES = 3  # different pitches whose keys the key encoding tells
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)

# KEYS[pitch class, key] is 1 where the pitch class belongs to the major key.
KEYS = np.array(
    [[(pitch - key) % 12 in MAJOR_SCALE for key in range(PITCH_CLASSES)] for pitch in range(PITCH_CLASSES)],
    np.float32,
)


class History(NamedTuple):
    """What is known of a melody just after each step; `...` is [batch, time].

    Attributes:
        window: int32 [..., Encoding.window], the last events, the newest at the end, NO_EVENT before the first.
        position: int32 [...], index of the newest event; -1 before the first.
        sounding: int32 [...], the pitch that sounds, or a negative event where none does.
        attacked: int32 [...], 1 if a note began since the last NO_EVENT.
        direction: int32 [...], 1 after a rise, -1 after a fall, 0 before the first change of pitch.
        last_pitch: int32 [...], pitch of the newest note, negative before the first.
        recent: int32 [..., RECENT_PITCHES], the last different pitches, the newest first; negative for none.
        pitch_classes: float32 [..., 12], how many notes of each pitch class there were.
    """

    window: Tensor
    position: Tensor
    sounding: Tensor
    attacked: Tensor
    direction: Tensor
    last_pitch: Tensor
    recent: Tensor
    pitch_classes: Tensor


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
        """Return what is known just after each step of whole melodies, leading shape [batch, time].

        Args:
            events: int32 [batch, time], pitches within [min_note, max_note).
        """
        batch, time = ops.shape(events)[0], ops.shape(events)[1]
        steps = ops.arange(time, dtype="int32")[None, :] + ops.zeros_like(events)
        silence = ops.full((batch, self.window - 1), NO_EVENT, dtype="int32")
        padded = ops.concatenate([silence, events], axis=1)
        window = ops.stack([padded[:, i : i + time] for i in range(self.window)], axis=-1)
        if not self.melodic:
            unused = ops.zeros_like(steps)
            return History(window, steps, *[unused] * 4, unused[..., None], unused[..., None])

        is_note = events >= 0
        last_pitch = _latest(events, is_note)
        last_note = _latest(steps, is_note)
        last_hold = _latest(steps, ops.equal(events, NO_EVENT))
        before = _a_step_later(last_pitch)  # the pitch before each note's own
        changes = ops.logical_and(is_note, ops.not_equal(events, before))
        direction = _latest(ops.where(before >= 0, ops.sign(events - before), 0), changes)
        # The last three different pitches: a change makes the newest the second, and one that comes back from
        # there changes no more than their order.
        second = _latest(before, changes)
        second_before = _a_step_later(second)
        third = _latest(second_before, ops.logical_and(changes, ops.not_equal(events, second_before)))
        return History(
            window,
            steps,
            sounding=_latest(events, ops.not_equal(events, NO_EVENT)),
            attacked=ops.cast(last_note > last_hold, "int32"),
            direction=ops.where(last_pitch >= 0, direction, 0),
            last_pitch=last_pitch,
            recent=ops.stack([last_pitch, second, third], axis=-1),
            pitch_classes=ops.cumsum(_pitch_classes(events), axis=1),
        )


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
                _likeliest_keys(history.pitch_classes),
                _likeliest_keys(ops.sum(_pitch_classes(history.recent), axis=-2)),
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


def transpose(events: Tensor, semitones: Tensor, min_note: int, max_note: int) -> Tensor:
    """Return the melodies moved, notes that leave [min_note, max_note) put back by octaves.

    Args:
        events: int32 [batch, time].
        semitones: int32 [batch].
        min_note: Lowest pitch allowed.
        max_note: One above the highest; at least an octave above `min_note`.

    Source: `note_seq.melodies_lib.Melody.transpose`.
    """
    moved = events + semitones[:, None]
    low = min_note + (moved - min_note) % PITCH_CLASSES
    high = max_note - PITCH_CLASSES + (moved - max_note) % PITCH_CLASSES
    folded = ops.where(moved < min_note, low, ops.where(moved >= max_note, high, moved))
    return ops.where(events < 0, events, folded)


def squash(events: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Move each melody into the model's key and range.

    Args:
        events: int32 [batch, time].
        config: Gives key and range.

    Returns:
        The melodies, int32 [batch, time], and by how many semitones each was moved, int32 [batch]. To go back,
        `transpose` by the negative amount.

    Source: `note_seq.melodies_lib.Melody.squash`.
    """
    amount = ops.zeros_like(events[:, 0])
    if config.transpose_to_key is not None:
        is_note = events >= 0
        counts = ops.sum(_pitch_classes(events), axis=1)
        key = ops.cast(ops.argmax(ops.matmul(counts, KEYS), axis=-1), "int32")
        key_shift = config.transpose_to_key - key
        lowest = ops.min(ops.where(is_note, events, 127), axis=1)
        highest = ops.max(ops.where(is_note, events, 0), axis=1)
        # In twelfths of an octave, twice over, so that the centres stay whole numbers until the last division.
        twice_off = config.min_note + config.max_note - 1 - (lowest + highest + 2 * key_shift)
        octaves = ops.cast(ops.round(ops.cast(twice_off, "float32") / (2 * PITCH_CLASSES)), "int32")
        amount = ops.where(ops.any(is_note, axis=1), key_shift + PITCH_CLASSES * octaves, 0)
    return transpose(events, amount, config.min_note, config.max_note), amount


def _running_max(values: Tensor) -> Tensor:
    # values: [batch, time], -1 or more; the maximum of all steps up to each. Each round doubles how far back the
    # maximum reaches (`keras.ops.associative_scan` does the same, but wants to know the time beforehand).
    shape = ops.shape(values)

    def reach_further(reach: Tensor, highest: Tensor) -> tuple[Tensor, Tensor]:
        before = ops.full((shape[0], reach), -1, dtype="int32")
        earlier = ops.concatenate([before, highest[:, : shape[1] - reach]], axis=1)
        return 2 * reach, ops.reshape(ops.maximum(highest, earlier), shape)

    return ops.while_loop(lambda reach, _: reach < shape[1], reach_further, (1, values))[1]


def _latest(values: Tensor, counted: Tensor) -> Tensor:
    # [batch, time]: at each step, the value at the latest step that counts; NO_EVENT before the first.
    steps = ops.arange(ops.shape(values)[1], dtype="int32")[None, :]
    latest = _running_max(ops.where(counted, steps, -1))
    return ops.where(latest >= 0, ops.take_along_axis(values, ops.maximum(latest, 0), axis=1), NO_EVENT)


def _a_step_later(values: Tensor) -> Tensor:
    # [batch, time]: what was before each step, NO_EVENT before the first.
    return ops.concatenate([ops.full_like(values[:, :1], NO_EVENT), values[:, :-1]], axis=1)


def _pitch_classes(events: Tensor) -> Tensor:
    # float32 [..., 12]: one for the pitch class of a note, zeros for other events.
    return ops.one_hot(ops.where(events >= 0, events % PITCH_CLASSES, -1), PITCH_CLASSES)


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


def _likeliest_keys(pitch_classes: Tensor) -> Tensor:
    # pitch_classes: [..., 12] counts; 1 for each major key that holds most of the notes (all of them for none).
    fit = ops.matmul(pitch_classes, KEYS)
    return ops.cast(ops.equal(fit, ops.max(fit, axis=-1, keepdims=True)), "float32")
