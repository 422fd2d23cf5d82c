"""The report says what the figures say."""

import pytest

from kakeai.report import words

FIGURES = {
    "beats_ngram": True,
    "gain_nll_per_step": 0.05,
    "gain_low": 0.02,
    "gain_high": 0.08,
    "gain_share_of_tunes": 0.75,
    "num_eval_tunes": 8,
    "model_event_accuracy": 0.4567,
    "ngram_event_accuracy": 0.4,
    "model_nll_per_note": 2.1,
    "ngram_nll_per_note": 2.25,
    "num_samples": 64,
    "samples_quotation_longest": 9,
    "samples_quotation_median": 6.5,
    "held_out_quotation_longest": 1,
    "held_out_quotation_median": 1.0,
}


@pytest.mark.parametrize(
    ("beats", "low", "high", "sentence"),
    [
        (True, 0.02, 0.08, "better than an n-gram does"),
        (True, -0.01, 0.08, "about as well as an n-gram"),
        (False, -0.08, 0.01, "about as well as an n-gram"),
        (False, -0.08, -0.01, "not predict unseen tunes as well as an n-gram yet"),
        (True, None, None, "better than an n-gram does"),
        (None, None, None, "No tunes were held out"),
    ],
)
def test_headline(beats, low, high, sentence):
    assert sentence in words.headline(FIGURES | {"beats_ngram": beats, "gain_low": low, "gain_high": high})


def test_comparison_counts_tunes():
    said = words.comparison(FIGURES)
    assert "45.7 %" in said
    assert "better one on 6 of 8 tunes" in said


def test_doubt_names_the_interval():
    assert "+0.050 nats" in words.doubt(FIGURES)
    assert "between −0.020 and +0.080" in words.doubt(FIGURES | {"gain_low": -0.02})
    assert "one tune alone" in words.doubt(FIGURES | {"gain_low": None, "gain_high": None})


def test_quotations():
    said = words.quotations(FIGURES)
    assert "shared with a training tune: 9 notes (the median of 64 samples is 6.5)" in said
    assert "share up to 1 note with" in said
    alone = words.quotations(
        FIGURES | {"held_out_quotation_longest": None, "held_out_quotation_median": None}
    )
    assert "held-out" not in alone


def test_of_weights_gone_astray_nothing_is_compared():
    assert words.comparison(FIGURES | {"model_nll_per_note": None}) == ""
