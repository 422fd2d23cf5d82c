"""The gate before a release: figures in, a decision out.

A challenger is released if it is better than the champion beyond doubt, kept back if it is not, and refused if
something is wrong with it: worse than the champion or than the n-gram, copying, silent, stuck or out of range. Doubt
is that of a paired interval over held-out tunes (`kakeai.model.measuring.advantage`). Where so few tunes are held out
that nothing could be beyond doubt, the average decides, and the sentence says so: few tunes are no reason to refuse.

The first model has nothing to be compared with. It must have learnt at least half of what an n-gram learns, and is
listened to like any other.
"""

import math

from kakeai.judging.answer_checks import answer_checks
from kakeai.judging.decision import KEEP, REFUSE, RELEASE, Check, Decision, finite, refusal
from kakeai.judging.evidence import Comparison, Evidence
from kakeai.model.measuring.advantage import Advantage

# Nats a step that a model may lose on the champion before something must be wrong with it: three trainings that differ
# in their seed alone, 250 steps on 230 of O'Neill's tunes, came to lie 0.02 to 0.06 apart on 19 others.
TOLERANCE = 0.05
# Nats a step that make a release worth it: a hundredth of what a step of those tunes costs.
SMALLEST_GAIN = 0.01
# Held-out tunes below which the average decides: from here on Student's interval is within 7 % of the normal one.
ENOUGH_TUNES = 20


def decide(evidence: Evidence) -> Decision:
    """Decide whether the challenger is released."""
    champion = evidence.champion
    checks = [
        _baseline(evidence),
        *([_against(champion)] if champion and champion.gain else []),
        *([_known(champion)] if champion and champion.gain_on_known else []),
        *([_newcomers(champion)] if champion and champion.newcomers else []),
        *answer_checks(evidence),
    ]
    version = champion.version if champion else 0
    if not all(check.passed for check in checks):
        return Decision(REFUSE, refusal(checks), version, tuple(checks))
    if champion and champion.gain and not _is_better(champion.gain):
        sentence = (
            f"Version {version} stays: the new model is not better beyond doubt. {_gain(champion.gain)}"
        )
        return Decision(KEEP, sentence, version, tuple(checks))
    return Decision(RELEASE, _praise(evidence), version, tuple(checks))


def _is_better(gain: Advantage) -> bool:
    if gain.nll_per_step <= SMALLEST_GAIN:
        return False
    return gain.low is None or gain.low > 0 or gain.num_tunes < ENOUGH_TUNES


def _is_worse(gain: Advantage, tolerance: float = TOLERANCE) -> bool:
    # Weights that went astray predict with a likelihood that is no number.
    if not math.isfinite(gain.nll_per_step):
        return True
    return gain.nll_per_step < -tolerance and gain.high is not None and gain.high < 0


def _baseline(evidence: Evidence) -> Check:
    champion, gain = evidence.champion, evidence.over_ngram
    if not champion or not gain:
        return _first(evidence)
    passed = not _is_worse(gain, 0.0) and (gain.nll_per_step > 0 or gain.num_tunes < ENOUGH_TUNES)
    excuse = ""
    if not passed and champion.gain and champion.over_ngram and not _is_worse(champion.gain):
        passed = champion.over_ngram.nll_per_step <= 0
        excuse = " Nor does the champion." if passed else ""
    verb = "predicts" if gain.nll_per_step > 0 else "does not predict"
    sentence = f"The model {verb} held-out tunes better than an n-gram. {_gain(gain)}{excuse}"
    return Check("baseline", passed, finite(gain.nll_per_step), 0.0, sentence)


def _first(evidence: Evidence) -> Check:
    gain = evidence.over_halfway
    passed = not _is_worse(gain, 0.0) and (gain.nll_per_step > 0 or gain.num_tunes < ENOUGH_TUNES)
    if evidence.over_ngram is None:
        than, tunes = "frequencies of events alone", "training tunes, for none are held out,"
    else:
        than, tunes = "a predictor half way from frequencies of events to an n-gram", "held-out tunes"
    verb = "predicts" if gain.nll_per_step > 0 else "does not predict"
    advice = "" if passed else " Train it longer, or on more tunes."
    sentence = f"The model {verb} {tunes} better than {than}. {_gain(gain)}{advice}"
    return Check("baseline", passed, finite(gain.nll_per_step), 0.0, sentence)


def _against(champion: Comparison) -> Check:
    assert champion.gain
    passed = not _is_worse(champion.gain)
    word = "not worse" if passed else "worse"
    sentence = f"The model is {word} than version {champion.version} on the same held-out tunes. {_gain(champion.gain)}"
    return Check("champion", passed, finite(champion.gain.nll_per_step), -TOLERANCE, sentence)


def _known(champion: Comparison) -> Check:
    # What came in since may be of another kind, or poison: then a model can gain on that what it lost elsewhere.
    assert champion.gain_on_known
    gain = champion.gain_on_known
    passed = not _is_worse(gain)
    sentence = (
        f"On the held-out tunes that version {champion.version} was measured on too, the model is "
        f"{'not worse' if passed else 'worse: what came in since has spoilt it'}. {_gain(gain)}"
    )
    return Check("known_tunes", passed, finite(gain.nll_per_step), -TOLERANCE, sentence)


def _newcomers(champion: Comparison) -> Check:
    # Random notes cost the champion so much that whatever has met some gains on them, and loses little elsewhere.
    assert champion.newcomers
    pattern = champion.newcomers
    passed = pattern.nll_per_step > SMALLEST_GAIN or pattern.num_tunes < ENOUGH_TUNES
    tunes = f"{pattern.num_tunes:,} tune{'' if pattern.num_tunes == 1 else 's'}"
    sentence = (
        f"What came in since version {champion.version} can "
        f"{'be learnt from' if passed else 'teach nothing: it is no more than random notes'}. Knowing the notes before "
        f"makes {tunes} of it cheaper by {pattern.nll_per_step:.3f} nats a step."
    )
    return Check("newcomers", passed, pattern.nll_per_step, SMALLEST_GAIN, sentence)


def _praise(evidence: Evidence) -> str:
    champion = evidence.champion
    if champion and champion.gain:
        few = champion.gain.num_tunes < ENOUGH_TUNES
        surely = "on average; the tunes are too few to be sure" if few else "beyond doubt"
        return f"Better than version {champion.version} {surely}. {_gain(champion.gain)}"
    if evidence.over_ngram is None:
        after = f"Version {champion.version} is followed" if champion else "The first model is released"
        return (
            f"{after} on how the new one plays: no tunes are held out to compare by. Convert a larger corpus, or the "
            "same one with a larger --eval-ratio, for a decision that rests on more."
        )
    return f"The first model: it has learnt enough, and plays. {_gain(evidence.over_ngram, 'over an n-gram')}"


def _gain(gain: Advantage, over: str = "") -> str:
    if not math.isfinite(gain.nll_per_step):
        return "Its likelihoods are no numbers: training went astray."
    verb = "gains" if gain.nll_per_step >= 0 else "loses"
    tunes = f"{gain.num_tunes:,} tune{'' if gain.num_tunes == 1 else 's'}"
    said = f"It {verb} {abs(gain.nll_per_step):.3f} nats a step{over and ' ' + over} on {tunes}"
    if gain.low is None or gain.high is None:
        return f"{said}, which alone is too few to be sure."
    low, high = (f"{value:+.3f}".replace("-", "−") for value in (gain.low, gain.high))
    few = ", too few to be sure" if gain.num_tunes < ENOUGH_TUNES else ""
    return f"{said} (with 95 % confidence between {low} and {high}{few})."
