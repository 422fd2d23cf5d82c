"""Paired intervals over tunes."""

import numpy as np
import pytest

from kakeai.model.measuring.advantage import advantage, by_tune

STEPS = np.array([5, 9, 14])


def scores(steps, log_likelihood, sources=None):
    return by_tune(
        sources or [f"{i:03}.mid" for i in range(len(steps))], np.array(steps), np.array(log_likelihood)
    )


def test_it_is_sure_where_every_tune_agrees():
    better, worse = scores(STEPS, STEPS * np.log(0.5)), scores(STEPS, STEPS * np.log(0.25))
    gain = advantage(better, worse)
    assert gain.nll_per_step == pytest.approx(np.log(2))
    assert gain.low == pytest.approx(gain.high)
    assert (gain.share_of_tunes, gain.num_tunes) == (1, 3)
    assert advantage(worse, better).nll_per_step == pytest.approx(-np.log(2))


def test_one_tune_has_no_interval():
    one = scores([7], [-3.0])
    assert advantage(one, one) == (0.0, None, None, 0.0, 1)


def test_melodies_of_one_file_are_one_tune():
    one = scores([4, 4, 4], [-1.0, -2.0, -3.0], ["a.mid"] * 3)
    assert advantage(one, one).num_tunes == 1


@pytest.mark.parametrize("tunes", [3, 8, 40])
def test_the_interval_holds_the_true_gain_about_95_times_of_100(tunes):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        steps = rng.integers(50, 200, tunes)
        # Tunes differ in how much is gained on their steps, 0.1 nats on average, and far more in how hard they are.
        hard = -steps * rng.normal(1.5, 1.0, tunes)
        gain = advantage(scores(steps, hard + steps * (0.1 + rng.normal(0, 0.3, tunes))), scores(steps, hard))
        held += gain.low <= 0.1 <= gain.high
    assert 0.92 < held / 1000 < 0.98
