"""A model's answers beside tunes: whether it copies, falls silent, gets stuck or leaves their range.

An answer counts as strange by what is usual among tunes, and a model may give strange ones as often as tunes are
strange themselves, and a little more.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kakeai.judging.decision import Check
from kakeai.judging.evidence import Evidence, Heard
from kakeai.music.listening import Sound

# More answers than among tunes themselves may sound out of the ordinary; a player who takes turns meets one in ten.
ALLOWED_SHARE = 0.1
# Two bars of eighth notes. Shorter passages are figures of a style: a quarter of O'Neill's tunes share eight notes.
PASSAGE_NOTES = 16
WIDER = 1.5  # times the range of tunes
PITCHES = 128


def answer_checks(evidence: Evidence) -> list[Check]:
    """Return what is heard of the challenger's answers: a check each."""
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
