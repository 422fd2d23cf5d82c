"""The gate's decisions, from figures alone."""

import dataclasses
import math

import pytest

from kakeai.judging.evidence import Comparison, Evidence, Heard
from kakeai.judging.gate import ENOUGH_TUNES, SMALLEST_GAIN, TOLERANCE, decide
from kakeai.model.measuring.advantage import Advantage
from kakeai.music.listening import Sound

TUNES = Heard([Sound(16.0 + i % 4, 6.0, 0.2, 0.0) for i in range(40)], [6] * 40)


def gain(by, doubt=0.005, tunes=100):
    return Advantage(by, by - doubt, by + doubt, 0.5, tunes)


def heard(share=0.0, quotation=5, **strange):
    """Answers that sound as tunes do, but for a share of them."""
    usual = TUNES.sounds[0]
    number = round(64 * share)
    sounds = [usual._replace(**strange)] * number + [usual] * (64 - number)
    return Heard(sounds, [quotation] * number + [5] * (64 - number))


def evidence(over_champion=None, samples=None, over_ngram=None, known=None, champion_over_ngram=None):
    champion = over_champion and Comparison(3, over_champion, champion_over_ngram or gain(0.04), known)
    return Evidence(over_ngram or gain(0.06), gain(0.3), samples or heard(), TUNES, champion)


def failed(decision):
    return [check.name for check in decision.checks if not check.passed]


@pytest.mark.parametrize(
    ("over_champion", "verdict", "words"),
    [
        (
            gain(0.03),
            "release",
            "Better than version 3 beyond doubt. It gains 0.030 nats a step on 100 tunes",
        ),
        (gain(0.03, doubt=0.04), "keep", "Version 3 stays: the new model is not better beyond doubt"),
        (gain(0.0, doubt=0.0), "keep", "Version 3 stays"),
        (gain(SMALLEST_GAIN / 2, doubt=0.001), "keep", "Version 3 stays"),
        (gain(-TOLERANCE / 2, doubt=0.001), "keep", "loses 0.025 nats"),
        (gain(-0.08), "refuse", "The model is worse than version 3 on the same held-out tunes"),
        (gain(-0.08, doubt=0.09), "keep", "between −0.170 and +0.010"),
        (gain(math.nan), "refuse", "training went astray"),
    ],
)
def test_the_champion_goes_only_for_one_that_is_better_beyond_doubt(over_champion, verdict, words):
    decision = decide(evidence(over_champion))
    assert decision.verdict == verdict
    assert decision.champion == 3
    assert words in decision.sentence


def test_where_tunes_are_few_the_average_decides_and_the_sentence_says_so():
    few = ENOUGH_TUNES - 1
    decision = decide(evidence(gain(0.03, doubt=0.5, tunes=few)))
    assert decision.verdict == "release"
    assert "too few to be sure" in decision.sentence
    one = decide(evidence(Advantage(0.03, None, None, 1.0, 1)))
    assert one.verdict == "release"
    assert "on 1 tune, which alone is too few to be sure." in one.sentence
    assert decide(evidence(gain(0.001, doubt=0.5, tunes=few))).verdict == "keep"
    # Nobody is refused for having few tunes.
    assert decide(evidence(gain(-0.3, doubt=0.5, tunes=few))).verdict == "keep"
    assert decide(evidence(gain(-0.3, doubt=0.1, tunes=few))).verdict == "refuse"


def test_a_challenger_must_beat_the_ngram():
    assert failed(decide(evidence(gain(0.03), over_ngram=gain(-0.02)))) == ["baseline"]
    assert failed(decide(evidence(gain(0.03), over_ngram=gain(-0.001, doubt=0.2)))) == ["baseline"]
    few = decide(evidence(gain(0.03), over_ngram=gain(-0.001, doubt=0.2, tunes=5)))
    assert few.verdict == "release"


def test_but_where_the_champion_does_not_either():
    poor = {"over_ngram": gain(-0.02), "champion_over_ngram": gain(-0.1)}
    assert decide(evidence(gain(0.08), **poor)).verdict == "release"
    assert decide(evidence(gain(0.0), **poor)).verdict == "keep"
    assert failed(decide(evidence(gain(-0.2), **poor))) == ["baseline", "champion"]


def test_what_came_in_may_not_spoil_what_was_known():
    decision = decide(evidence(gain(0.2), known=gain(-0.1)))
    assert failed(decision) == ["known_tunes"]
    assert "what came in since has spoilt it" in decision.sentence
    assert decide(evidence(gain(0.2), known=gain(0.01))).verdict == "release"


def test_a_gain_on_random_notes_is_none():
    def with_newcomers(pattern):
        both = evidence(gain(2.0), known=gain(-TOLERANCE / 2))
        return decide(
            dataclasses.replace(both, champion=dataclasses.replace(both.champion, newcomers=pattern))
        )

    assert failed(with_newcomers(gain(SMALLEST_GAIN / 2))) == ["newcomers"]
    assert with_newcomers(gain(0.0, tunes=ENOUGH_TUNES - 1)).verdict == "release"
    assert with_newcomers(gain(0.3)).verdict == "release"


def test_the_first_model_must_have_learnt_half_of_what_an_ngram_does():
    first = decide(evidence(over_ngram=gain(-0.05)))
    assert (first.verdict, first.champion) == ("release", 0)
    assert "The first model" in first.sentence
    ignorant = dataclasses.replace(evidence(), over_halfway=gain(-0.1))
    assert "Train it longer, or on more tunes" in decide(ignorant).sentence
    assert failed(decide(ignorant)) == ["baseline"]
    astray = dataclasses.replace(evidence(), over_halfway=Advantage(math.nan, None, None, 0.0, 1))
    decision = decide(astray)
    assert failed(decision) == ["baseline"]
    assert decision.checks[0].figure is None  # JSON has no word for it


@pytest.mark.parametrize("quotation", [5, 60])
def test_without_held_out_tunes_a_model_is_judged_by_how_it_plays(quotation):
    alone = dataclasses.replace(
        evidence(samples=heard(0.5, quotation=quotation)), over_ngram=None, champion=None
    )
    assert decide(alone).verdict == "release"
    assert "no tunes are held out" in decide(alone).sentence
    again = dataclasses.replace(alone, champion=Comparison(3, None, None))
    assert decide(again).sentence.startswith("Version 3 is followed on how the new one plays")
    silent = dataclasses.replace(alone, samples=heard(0.5, silence=1.0))
    assert failed(decide(silent)) == ["silence"]


@pytest.mark.parametrize(
    ("check", "strange"),
    [
        ("copying", {"quotation": 30}),
        ("silence", {"silence": 0.9}),
        ("silence", {"notes_per_bar": 0.5}),
        ("repetition", {"repetition": 1.0}),
        ("pitch_range", {"pitch_range": 1.0}),
        ("pitch_range", {"pitch_range": 40.0}),
    ],
)
@pytest.mark.parametrize("over_champion", [None, gain(0.5)])
def test_answers_out_of_the_ordinary_are_refused_however_well_the_model_predicts(
    check, strange, over_champion
):
    decision = decide(evidence(over_champion, heard(0.3, **strange)))
    assert (decision.verdict, failed(decision)) == ("refuse", [check])
    assert "30% of the model's answers" in decision.sentence
    assert decide(evidence(over_champion, heard(0.08, **strange))).verdict == "release"


def test_what_tunes_do_themselves_is_not_held_against_a_model():
    quoting = Heard(TUNES.sounds, [40] * 20 + [6] * 20)
    decision = decide(dataclasses.replace(evidence(samples=heard(0.5, quotation=40)), tunes=quoting))
    assert decision.verdict == "release"


def test_of_tunes_too_short_to_go_on_nothing_is_asked():
    assert decide(dataclasses.replace(evidence(), tunes=Heard([], []))).verdict == "release"
