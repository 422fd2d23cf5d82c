"""Two models tune by tune, laid out: what one gains over the other on each, the best tune first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kakeai.report.chart import round_numbers
from kakeai.report.words import counted, signed

WIDTH, HEIGHT = 1000, 300
LEFT, TOP, BOTTOM = 56, 26, 22  # margins: numbers on the left, what is up and what is down above and below
MEAN = 150  # width of what stands on the right: the mean and its interval
MOST_BARS = 160
SMALLEST = 0.01  # nats a step that are shown large: equal models have no gains to fill a sheet with
GAP = 1.5


@dataclass(frozen=True)
class Bar:
    """A tune, or some that are neighbours in rank: its place, whose side it is on, and what it says."""

    x: float
    y: float
    width: float
    height: float
    who: str
    words: str


@dataclass(frozen=True)
class Ranking:
    """A sheet with a bar for each tune.

    Attributes:
        bars: The best tune first.
        ticks: Places and numbers along the left.
        zero: Where neither gains.
        mean: Where the mean of all tunes stands, and its ends, from the top: high, mean, low; no ends for one tune.
        mean_x: Where that is drawn.
        mean_words: The mean as a number.
        right: Where the bars end.
        summary: The same in words, for those who do not see it.
    """

    bars: list[Bar]
    ticks: list[tuple[float, str]]
    zero: float
    mean: tuple[float, float, float]
    mean_x: float
    mean_words: str
    right: float
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def ranking(
    tunes: Sequence[Mapping[str, Any]],
    other: str,
    other_words: str,
    mean: float,
    low: float | None,
    high: float | None,
) -> Ranking:
    """Lay out what the model gains over another.

    Args:
        tunes: Rows of tunes.jsonl (see `kakeai.stages.evaluate`), at least one.
        other: Whose cost the model's is compared with: `champion` or `ngram`.
        other_words: How that one is called.
        mean: Gain over all tunes, nats a step.
        low: Lower end of its interval; None for none.
        high: Upper end.
    """
    ranked = sorted(((tune[other] - tune["model"], tune["source"]) for tune in tunes), reverse=True)
    gains = np.array([gain for gain, _ in ranked])
    low, high = (mean if low is None else low), (mean if high is None else high)
    marks = round_numbers(min(-SMALLEST, float(gains.min()), low), max(SMALLEST, float(gains.max()), high))
    right = WIDTH - MEAN

    def down(gain: float) -> float:
        share = (marks[-1] - gain) / (marks[-1] - marks[0])
        return round(TOP + share * (HEIGHT - TOP - BOTTOM), 1)

    parts = np.array_split(np.arange(len(ranked)), min(len(ranked), MOST_BARS))
    step = (right - LEFT) / len(parts)
    bars = []
    for i, part in enumerate(parts):
        gain = float(gains[part].mean())
        name = ranked[part[0]][1] if len(part) == 1 else counted(len(part), "tune")
        top, foot = sorted((down(gain), down(0.0)))
        bars.append(
            Bar(
                round(LEFT + i * step, 2),
                top,
                round(max(step - min(GAP, step / 4), 0.5), 2),
                max(foot - top, 0.5),
                "kakeai" if gain > 0 else "player",
                f"{name}: {signed(gain)}",
            )
        )
    better = int((gains > 0).sum())
    return Ranking(
        bars,
        [(down(mark), f"{mark:+.2f}".replace("-", "−") if abs(mark) > 1e-9 else "0") for mark in marks],
        down(0.0),
        (down(high), down(mean), down(low)),
        right + MEAN * 0.28,
        signed(mean),
        right,
        (
            f"Gain of the new model over {other_words}, tune by tune: better on {better:,} of "
            f"{counted(len(ranked), 'tune')}, from {signed(float(gains.max()))} to {signed(float(gains.min()))} "
            f"nats a step; on average {signed(mean)}"
        ),
    )
