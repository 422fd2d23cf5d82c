"""What a decision about a model rests on."""

from collections.abc import Sequence
from dataclasses import dataclass

from kakeai.model.measuring.advantage import Advantage
from kakeai.music.listening import Sound


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
class Comparison:
    """The challenger beside the champion, which is the model in service, on the same held-out tunes.

    Attributes:
        version: The champion's number in the store.
        gain: The challenger's advantage over the champion; None where nothing is held out.
        over_ngram: The champion's own advantage over the n-gram.
        gain_on_known: The challenger's advantage on those tunes that were in the champion's corpus already, held out
            then as now; None where that is not known, or there are none.
        newcomers: How much pattern there is in what came in since: the advantage that an n-gram learnt from it has over
            mere frequencies of events, on held-out tunes among it; None where that is not known, or there are none.
    """

    version: int
    gain: Advantage | None
    over_ngram: Advantage | None
    gain_on_known: Advantage | None = None
    newcomers: Advantage | None = None


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
    champion: Comparison | None = None
