"""The gate before a release: figures in, a decision out.

A challenger is released if it is better than the champion beyond doubt, kept back if it is not, and refused if
something is wrong with it: worse than the champion or than the n-gram, copying, silent, stuck or out of range. Doubt
is that of a paired interval over held-out tunes (`kakeai.model.advantage`). Where so few tunes are held out that
nothing could be beyond doubt, the average decides, and the sentence says so: nobody is refused for having few tunes.

The first model has nothing to be compared with. It must have learnt at least half of what an n-gram learns, and is
listened to like any other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kakeai.model.advantage import Advantage
from kakeai.music.listening import Sound

RELEASE, REFUSE, KEEP = "release", "refuse", "keep"

# Nats a step that matter. Trainings that differ in their seed alone, on 230 of O'Neill's tunes, end as far apart.
TOLERANCE = 0.01
# Held-out tunes below which the average decides: from here on Student's interval is within 7 % of the normal one.
ENOUGH_TUNES = 20
# More answers than among tunes themselves may sound out of the ordinary; a player who takes turns meets one in ten.
ALLOWED_SHARE = 0.1
# Two bars of eighth notes. Shorter passages are figures of a style: a quarter of O'Neill's tunes share eight notes.
PASSAGE_NOTES = 16
WIDER = 1.5  # times the range of tunes
PITCHES = 128


@dataclass(frozen=True)
class Heard:
    """What was heard of melodies after their first two bars.

    Attributes:
        sounds: How each sounds.
        quotations: Notes of the longest passage that each shares with a training tune, in any key.
    """

    sounds: Sequence[Sound]
    quotations: Sequence[int]


@dataclass(frozen=True)
class Champion:
    """The model in service, on the same held-out tunes.

    Attributes:
        version: Its number in the store.
        gain: The challenger's advantage over it; None where nothing is held out.
        over_ngram: Its own advantage over the n-gram.
        gain_on_known: The challenger's advantage on those tunes that were in the champion's corpus already, held out
            then as now; None where that is not known, or there are none.
    """

    version: int
    gain: Advantage | None
    over_ngram: Advantage | None
    gain_on_known: Advantage | None = None


@dataclass(frozen=True)
class Evidence:
    """What the decision rests on.

    Attributes:
        over_ngram: The challenger's advantage over an n-gram; None where nothing is held out.
        over_halfway: Its advantage over what lies half way between the n-gram and mere frequencies of events. Where
            nothing is held out, over frequencies, on training tunes.
        samples: What the challenger plays.
        tunes: How real tunes go on, and what they share with others.
        champion: The model in service, None for none.
    """

    over_ngram: Advantage | None
    over_halfway: Advantage
    samples: Heard
    tunes: Heard
    champion: Champion | None = None


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: Of the check.
        passed: Whether nothing is wrong.
        figure: What was measured; None where it could not be.
        limit: What it must reach or not exceed; None where nothing is asked.
        sentence: The same in words.
    """

    name: str
    passed: bool
    figure: float | None
    limit: float | None
    sentence: str


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes:
        verdict: RELEASE, REFUSE, or KEEP where the champion is as good.
        sentence: Why.
        champion: Version of the champion, 0 for none.
        checks: What was looked at.
    """

    verdict: str
    sentence: str
    champion: int
    checks: tuple[Check, ...]

    def with_check(self, check: Check) -> "Decision":
        """Return the decision with one more check, which refuses if it did not pass."""
        checks = (*self.checks, check)
        if check.passed:
            return replace(self, checks=checks)
        return replace(self, verdict=REFUSE, sentence=_refusal(checks), checks=checks)


def decide(evidence: Evidence) -> Decision:
    """Decide whether the challenger is released."""
    champion = evidence.champion
    checks = [
        _baseline(evidence),
        *([_against(champion)] if champion and champion.gain else []),
        *([_known(champion)] if champion and champion.gain_on_known else []),
        *_listening(evidence),
    ]
    version = champion.version if champion else 0
    if not all(check.passed for check in checks):
        return Decision(REFUSE, _refusal(checks), version, tuple(checks))
    if champion and champion.gain and not _is_better(champion.gain):
        sentence = (
            f"Version {version} stays: the new model is not better beyond doubt. {_gain(champion.gain)}"
        )
        return Decision(KEEP, sentence, version, tuple(checks))
    return Decision(RELEASE, _praise(evidence), version, tuple(checks))


def _is_better(gain: Advantage) -> bool:
    if gain.nll_per_step <= TOLERANCE:
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
    if not passed and champion.gain and champion.over_ngram and _is_better(champion.gain):
        passed = champion.over_ngram.nll_per_step <= 0
        excuse = " The champion does not either, and is worse." if passed else ""
    verb = "predicts" if gain.nll_per_step > 0 else "does not predict"
    sentence = f"The model {verb} held-out tunes better than an n-gram. {_gain(gain)}{excuse}"
    return Check("baseline", passed, _number(gain.nll_per_step), 0.0, sentence)


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
    return Check("baseline", passed, _number(gain.nll_per_step), 0.0, sentence)


def _against(champion: Champion) -> Check:
    assert champion.gain
    passed = not _is_worse(champion.gain)
    word = "not worse" if passed else "worse"
    sentence = f"The model is {word} than version {champion.version} on the same held-out tunes. {_gain(champion.gain)}"
    return Check("champion", passed, _number(champion.gain.nll_per_step), -TOLERANCE, sentence)


def _known(champion: Champion) -> Check:
    # What came in since may be of another kind, or poison: then a model can gain on that what it lost elsewhere.
    assert champion.gain_on_known
    gain = champion.gain_on_known
    passed = not _is_worse(gain)
    sentence = (
        f"On the held-out tunes that version {champion.version} was measured on too, the model is "
        f"{'not worse' if passed else 'worse: what came in since has spoilt it'}. {_gain(gain)}"
    )
    return Check("known_tunes", passed, _number(gain.nll_per_step), -TOLERANCE, sentence)


def _listening(evidence: Evidence) -> list[Check]:
    tunes = evidence.tunes
    longest = max(PASSAGE_NOTES, *_quantiles(tunes.quotations, 0.95))
    copying = _share_check(
        "copying",
        evidence,
        lambda _, notes: notes > longest,
        f"share a passage of more than {longest:.0f} notes with a training tune, in any key",
    )
    if evidence.over_ngram is None:
        # Nobody can say what tunes of this kind share, and whose tunes they are knows what they are for.
        note = " No tunes are held out to compare with, so this does not count."
        copying = replace(copying, passed=True, limit=None, sentence=copying.sentence + note)

    def of(name: str) -> list[float]:
        return [getattr(sound, name) for sound in tunes.sounds]

    (repetition,) = _quantiles(of("repetition"), 0.95)
    (silence,) = _quantiles(of("silence"), 0.95)
    (sparse,) = _quantiles(of("notes_per_bar"), 0.05)
    narrow, wide = _quantiles(of("pitch_range"), 0.05, 0.95) if tunes.sounds else (0.0, float(PITCHES))
    # Nearer to always than to what tunes do; and half as much as the least of theirs.
    repetition, silence = (repetition + 1.0) / 2.0, (silence + 1.0) / 2.0
    sparse, narrow, wide = sparse / 2.0, narrow / 2.0, wide * WIDER
    return [
        copying,
        _share_check(
            "silence",
            evidence,
            lambda sound, _: sound.silence > silence or sound.notes_per_bar < sparse,
            f"are silent for more than {silence:.0%} of the time, or have fewer than {sparse:.1f} notes a bar",
        ),
        _share_check(
            "repetition",
            evidence,
            lambda sound, _: sound.repetition > repetition,
            f"are stuck: more than {repetition:.0%} of their bars were played before",
        ),
        _share_check(
            "pitch_range",
            evidence,
            lambda sound, _: not narrow <= sound.pitch_range <= wide,
            f"have a range of less than {narrow:.0f} or more than {wide:.0f} semitones",
        ),
    ]


def _share_check(
    name: str, evidence: Evidence, is_strange: Callable[[Sound, int], bool], words: str
) -> Check:
    def share(heard: Heard) -> float:
        strange = [is_strange(*each) for each in zip(heard.sounds, heard.quotations, strict=True)]
        return float(np.mean(strange)) if strange else 0.0

    figure, usual = share(evidence.samples), share(evidence.tunes)
    limit = usual + ALLOWED_SHARE
    sentence = f"{figure:.0%} of the model's answers {words}; of the tunes themselves {usual:.0%} do."
    return Check(name, figure <= limit, figure, limit, sentence)


def _quantiles(values: Sequence[float], *shares: float) -> list[float]:
    return np.quantile(values, shares).tolist() if len(values) else [0.0] * len(shares)


def _refusal(checks: Sequence[Check]) -> str:
    return "Refused. " + " ".join(check.sentence for check in checks if not check.passed)


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
        return f"{said}."
    low, high = (f"{value:+.3f}".replace("-", "−") for value in (gain.low, gain.high))
    few = ", too few to be sure" if gain.num_tunes < ENOUGH_TUNES else ""
    return f"{said} (with 95 % confidence between {low} and {high}{few})."


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
