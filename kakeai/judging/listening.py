"""What is heard of a model's answers, and of how tunes themselves go on."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from kakeai.judging.evidence import Heard
from kakeai.judging.gate import ENOUGH_TUNES
from kakeai.model.measuring.quotation import Quotation, longest_quotations
from kakeai.music.listening import Sound, mean_sound, sound

if TYPE_CHECKING:
    from kakeai.model.network.melody_rnn import MelodyRnn

PRIMER_STEPS = 32  # two bars of 4/4
ANSWER_STEPS = 128  # eight bars
MEASURED_SAMPLES = 64  # six to listen to are too few to count on
MOST_TUNES = 256  # that are listened to beside them


class Samples:
    """What a model plays after openings of tunes.

    Attributes:
        melodies: int8 [steps] each, opening and answer.
        turns: Step at which each answer begins.
        openings: Index of the tune that each opens with.
        quotations: The longest passage that each answer shares with a training tune.
        heard: How the answers sound.
    """

    def __init__(
        self,
        model: "MelodyRnn",
        tunes: Sequence[np.ndarray],
        training: Sequence[np.ndarray],
        number: int,
        seed: int,
    ) -> None:
        """Let `model` go on from openings of `tunes`, drawn by `seed`: `number` times, and more to count on."""
        from kakeai.model.sampling.continuation import continuations

        chosen = np.random.default_rng(seed).permutation(len(tunes))
        self.openings: list[int] = np.resize(chosen, max(number, MEASURED_SAMPLES)).tolist()
        openings = [tunes[i][:PRIMER_STEPS] for i in self.openings]
        self.melodies = continuations(model, openings, ANSWER_STEPS, seed)
        self.turns = [len(opening) for opening in openings]
        self.heard, self.quotations = _hear(self.melodies, self.turns, training)


def hear_tunes(tunes: Sequence[np.ndarray], training: Sequence[np.ndarray]) -> Heard:
    """Return how tunes that are not among `training` go on after their first two bars."""
    return _hear(*_going_on(tunes), training)[0]


def usual(held_out: Heard, training: Sequence[np.ndarray]) -> Heard:
    """Return what is usual among tunes: of held-out ones, and where these are few of training tunes too.

    What training tunes share is looked for between every second of them and the others.
    """
    if len(held_out.sounds) >= ENOUGH_TUNES:
        return held_out
    even, odd = training[::2], training[1::2]
    heard = [held_out, hear_tunes(even, odd), hear_tunes(odd, even)]
    return Heard(
        [each for some in heard for each in some.sounds], [each for some in heard for each in some.quotations]
    )


def figures(who: str, heard: Heard) -> dict[str, Any]:
    """Return what metrics.json says of what was heard; null where nothing was."""
    values = dict.fromkeys([*Sound._fields, "quotation_median", "quotation_longest"])
    if heard.sounds:
        values |= mean_sound(heard.sounds)._asdict()
        values |= {"quotation_median": median(heard.quotations), "quotation_longest": max(heard.quotations)}
    return {f"{who}_{name}": value for name, value in values.items()}


def _going_on(tunes: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    # Those that are long enough to have anything after their opening, and where that ends.
    some = tunes[:: max(1, len(tunes) // MOST_TUNES)]
    long = [tune[: PRIMER_STEPS + ANSWER_STEPS] for tune in some if len(tune) > PRIMER_STEPS]
    return long, [PRIMER_STEPS] * len(long)


def _hear(
    melodies: Sequence[np.ndarray], turns: Sequence[int], training: Sequence[np.ndarray]
) -> tuple[Heard, list[Quotation]]:
    quotations = longest_quotations(
        [melody[turn:] for melody, turn in zip(melodies, turns, strict=True)], training
    )
    sounds = [sound(*each) for each in zip(melodies, turns, strict=True)]
    return Heard(sounds, [quotation.notes for quotation in quotations]), quotations
