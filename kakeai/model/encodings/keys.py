"""Pitch classes and major keys, and how melodies are moved into the key and the range of a model.

The numbers equal note-seq 0.0.5: `note_seq/melodies_lib.py` and `note_seq/melody_encoder_decoder.py`.
"""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
# pyright: reportOptionalOperand=false, reportOptionalSubscript=false

from typing import Any

import numpy as np
from keras import ops

from kakeai.model.configs import Config

Tensor = Any  # a tensor of Keras's backend, or what converts to one

PITCH_CLASSES = 12
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)

# KEYS[pitch class, key] is 1 where the pitch class belongs to the major key.
KEYS = np.array(
    [[(pitch - key) % 12 in MAJOR_SCALE for key in range(PITCH_CLASSES)] for pitch in range(PITCH_CLASSES)],
    np.float32,
)


def pitch_classes(events: Tensor) -> Tensor:
    """Return float32 [..., 12] of events int32 [...]: one for the pitch class of a note, zeros for other events."""
    return ops.one_hot(ops.where(events >= 0, events % PITCH_CLASSES, -1), PITCH_CLASSES)


def likeliest_keys(counts: Tensor) -> Tensor:
    """Return float32 [..., 12]: 1 for each major key that holds most of the notes, for all keys if there are no notes.

    Args:
        counts: float32 [..., 12], how many notes of each pitch class there are.
    """
    fit = ops.matmul(counts, KEYS)
    return ops.cast(ops.equal(fit, ops.max(fit, axis=-1, keepdims=True)), "float32")


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
        counts = ops.sum(pitch_classes(events), axis=1)
        key = ops.cast(ops.argmax(ops.matmul(counts, KEYS), axis=-1), "int32")
        key_shift = config.transpose_to_key - key
        lowest = ops.min(ops.where(is_note, events, 127), axis=1)
        highest = ops.max(ops.where(is_note, events, 0), axis=1)
        # In twelfths of an octave, twice over, so that the centres stay whole numbers until the last division.
        twice_off = config.min_note + config.max_note - 1 - (lowest + highest + 2 * key_shift)
        octaves = ops.cast(ops.round(ops.cast(twice_off, "float32") / (2 * PITCH_CLASSES)), "int32")
        amount = ops.where(ops.any(is_note, axis=1), key_shift + PITCH_CLASSES * octaves, 0)
    return transpose(events, amount, config.min_note, config.max_note), amount
