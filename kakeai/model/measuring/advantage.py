"""By how much one predictor is better than another, tune by tune, and how sure that is."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95


class Advantage(NamedTuple):
    """By how much one predictor is better than another.

    Attributes:
        nll_per_step: Mean gain of a step, in nats; positive where the first one is better.
        low: Lower end of its 95 % interval, by the differences between tunes; None for a single tune.
        high: Upper end of it.
        share_of_tunes: On how many tunes the first one is better, as a share of them.
        num_tunes: Tunes that both predicted.
    """

    nll_per_step: float
    low: float | None
    high: float | None
    share_of_tunes: float
    num_tunes: int


class TuneScores(NamedTuple):
    """What a predictor said of tunes: a file each, with all its melodies.

    Attributes:
        sources: The files, in the order of their names.
        steps: int64 [tunes], predicted steps.
        log_likelihood: float64 [tunes], of all of them, in nats.
    """

    sources: list[str]
    steps: np.ndarray
    log_likelihood: np.ndarray

    def of(self, sources: Collection[str]) -> "TuneScores":
        """Return the scores of those tunes that are among `sources`."""
        kept = np.array([source in sources for source in self.sources], bool)
        names = [source for source in self.sources if source in sources]
        return TuneScores(names, self.steps[kept], self.log_likelihood[kept])


def by_tune(sources: Sequence[str], steps: np.ndarray, log_likelihood: np.ndarray) -> TuneScores:
    """Sum up melodies of one file: they are not independent of each other, files are.

    Args:
        sources: The file of each melody.
        steps: int [melodies], predicted steps.
        log_likelihood: float [melodies], in nats.
    """
    names, tune = np.unique(np.asarray(sources, dtype=object), return_inverse=True)
    return TuneScores(
        names.tolist(),
        np.bincount(tune, steps, len(names)).astype(np.int64),
        np.bincount(tune, log_likelihood, len(names)),
    )


def advantage(first: TuneScores, second: TuneScores) -> Advantage:
    """Compare two predictors on the same tunes.

    The interval is that of a ratio of sums (gain over steps) by the delta method, with Student's t: tunes are drawn
    independently, their steps are not, and each predictor meets the same ones, so that it is their differences that
    vary and not how hard a tune is.
    """
    steps = first.steps.astype(float)
    gains = first.log_likelihood - second.log_likelihood
    number, total = len(gains), max(steps.sum(), 1.0)
    gain = float(gains.sum() / total)
    share = float((gains > 0).mean()) if number else 0.0
    if number < 2:
        return Advantage(gain, None, None, share, number)
    deviation = float(np.sqrt(((gains - gain * steps) ** 2).sum() * number / (number - 1)))
    error = float(stdtrit(number - 1, (1.0 + CONFIDENCE) / 2.0)) * deviation / total
    return Advantage(gain, gain - error, gain + error, share, number)
