"""Two models tune by tune, on one sheet."""

import numpy as np
import pytest

from kakeai.report.ranking import MOST_BARS, ranking


def tunes(number):
    rng = np.random.default_rng(0)
    return [
        {"source": f"{i}.mid", "steps": 100, "model": 1.0, "champion": float(1.02 + rng.normal(0, 0.1))}
        for i in range(number)
    ]


@pytest.mark.parametrize("number", [1, 8, 160, 1000])
def test_every_bar_is_on_the_sheet_and_stands_on_the_line(number):
    sheet = ranking(tunes(number), "champion", "version 3", 0.02, 0.01, 0.03)
    assert len(sheet.bars) == min(number, MOST_BARS)
    for bar in sheet.bars:
        assert sheet.left <= bar.x < bar.x + bar.width <= sheet.right + 0.1
        assert sheet.top - 0.1 <= bar.y <= bar.y + bar.height <= sheet.bottom + 0.6
        assert bar.who == ("kakeai" if bar.y < sheet.zero - 0.05 else "player") or bar.height <= 0.5
    heights = [bar.y + (bar.height if bar.who == "player" else 0) for bar in sheet.bars]
    assert heights == sorted(heights)  # from the best tune to the worst


def test_the_mean_stands_within_its_interval():
    high, mean, low = ranking(tunes(8), "champion", "version 3", 0.02, -0.01, 0.05).mean
    assert high < mean < low
    assert ranking(tunes(1), "champion", "version 3", 0.02, None, None).mean[0] == pytest.approx(
        ranking(tunes(1), "champion", "version 3", 0.02, None, None).mean[2]
    )


def test_bars_tell_their_tune_and_the_sheet_its_sum():
    rows = [
        {"source": "a.mid", "steps": 9, "model": 1.0, "champion": 1.25},
        {"source": "b.mid", "steps": 9, "model": 1.0, "champion": 0.5},
    ]
    sheet = ranking(rows, "champion", "version 3", -0.1, None, None)
    assert [bar.words for bar in sheet.bars] == ["a.mid: +0.250", "b.mid: −0.500"]
    assert "over version 3, tune by tune: better on 1 of 2 tunes, from +0.250 to −0.500" in sheet.summary
