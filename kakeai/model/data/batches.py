"""Melodies of unequal length as padded batches, in an order that a later run can repeat."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kakeai.music.melody import NO_EVENT, STEPS_PER_BAR

# Melodies are sorted by length within pools of this many batches: little padding, and still a new mixture each epoch.
POOL_BATCHES = 8
NUM_WIDTHS = 4


class Batch(NamedTuple):
    """Melodies side by side.

    Attributes:
        melody: int32 [batch, time], padded with NO_EVENT on the right.
        length: int32 [batch], steps that count.
    """

    melody: np.ndarray
    length: np.ndarray


def widths(melodies: Sequence[np.ndarray]) -> list[int]:
    """Return the few widths, in steps, that batches of these melodies are padded to; each is compiled once."""
    quantiles = np.quantile([len(melody) for melody in melodies], np.arange(1, NUM_WIDTHS + 1) / NUM_WIDTHS)
    return sorted({-(-int(np.ceil(length)) // STEPS_PER_BAR) * STEPS_PER_BAR for length in quantiles})


def pad(melodies: Sequence[np.ndarray], widths: Sequence[int] = (), rows: int = 0) -> Batch:
    """Put melodies (int8 [steps] each) side by side.

    Args:
        melodies: At least one.
        widths: Those allowed, ascending; the first that is wide enough is taken. None given: as wide as needed.
        rows: Of the batch, if more than melodies; a row without one has length 1, nothing to predict.
    """
    length = np.ones(max(rows, len(melodies)), np.int32)
    length[: len(melodies)] = [len(melody) for melody in melodies]
    width = next((width for width in widths if width >= length.max()), length.max())
    batch = np.full((len(length), width), NO_EVENT, np.int32)
    for row, melody in zip(batch, melodies, strict=False):
        row[: len(melody)] = melody
    return Batch(batch, length)


def training_batches(
    melodies: Sequence[np.ndarray], batch_size: int, widths: Sequence[int], seed: int, first: int = 0
) -> Iterator[Batch]:
    """Yield batches without end, every melody once an epoch, from batch number `first` on.

    The order follows from `seed` alone, so a training that was interrupted goes on as if it had not been. An epoch's
    last batch is filled up with melodies from its beginning.
    """
    lengths = np.array([len(melody) for melody in melodies])
    per_epoch = -(-len(melodies) // batch_size)
    for epoch in range(first // per_epoch, 2**31):
        order = _epoch_order(lengths, batch_size, np.random.default_rng((seed, epoch)))
        for chosen in order[first - epoch * per_epoch if epoch == first // per_epoch else 0 :]:
            yield pad([melodies[i] for i in chosen], widths, batch_size)


def _epoch_order(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    shuffled = rng.permutation(len(lengths))
    missing = -len(shuffled) % batch_size
    shuffled = np.concatenate([shuffled, np.resize(shuffled, missing)])
    batches = []
    for begin in range(0, len(shuffled), batch_size * POOL_BATCHES):
        pool = shuffled[begin : begin + batch_size * POOL_BATCHES]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(pool, len(pool) // batch_size)
    return [batches[i] for i in rng.permutation(len(batches))]


def eval_batches(
    melodies: Sequence[np.ndarray], batch_size: int, widths: Sequence[int] = ()
) -> Iterator[Batch]:
    """Yield every melody once, shortest first; of given `widths`, all batches have as many rows."""
    ordered = sorted(melodies, key=len)
    for begin in range(0, len(ordered), batch_size):
        yield pad(ordered[begin : begin + batch_size], widths, batch_size if widths else 0)
