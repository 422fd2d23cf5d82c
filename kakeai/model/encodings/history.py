"""What is known of a melody just after each of its steps, worked out for whole batches at once."""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportOptionalSubscript=false

from typing import Any, NamedTuple

from keras import ops

from kakeai.model.encodings.keys import pitch_classes
from kakeai.music.melody import NO_EVENT

Tensor = Any  # a tensor of Keras's backend, or what converts to one

RECENT_PITCHES = 3  # different pitches, whose keys the key encoding tells


class History(NamedTuple):
    """What is known of a melody just after each step; `...` is [batch, time].

    Attributes:
        window: int32 [..., window], the last events, the newest at the end, NO_EVENT before the first.
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


def histories(events: Tensor, window: int, melodic: bool) -> History:
    """Return what is known just after each step of whole melodies, leading shape [batch, time].

    Args:
        events: int32 [batch, time].
        window: How many of the last events each step keeps.
        melodic: Whether to work out the fields below `position`; else they are zeros.
    """
    batch, time = ops.shape(events)[0], ops.shape(events)[1]
    steps = ops.arange(time, dtype="int32")[None, :] + ops.zeros_like(events)
    silence = ops.full((batch, window - 1), NO_EVENT, dtype="int32")
    padded = ops.concatenate([silence, events], axis=1)
    newest = ops.stack([padded[:, i : i + time] for i in range(window)], axis=-1)
    if not melodic:
        unused = ops.zeros_like(steps)
        return History(newest, steps, *[unused] * 4, unused[..., None], unused[..., None])

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
        newest,
        steps,
        sounding=_latest(events, ops.not_equal(events, NO_EVENT)),
        attacked=ops.cast(last_note > last_hold, "int32"),
        direction=ops.where(last_pitch >= 0, direction, 0),
        last_pitch=last_pitch,
        recent=ops.stack([last_pitch, second, third], axis=-1),
        pitch_classes=ops.cumsum(pitch_classes(events), axis=1),
    )


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
