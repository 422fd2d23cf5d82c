"""How well held-out tunes are predicted: by the challenger, by an n-gram, and by the champion."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kakeai.judging.decision import finite
from kakeai.judging.evidence import Comparison
from kakeai.model.measuring.advantage import Advantage, TuneScores, advantage, by_tune

if TYPE_CHECKING:
    from kakeai.model.configs import Config
    from kakeai.model.network.melody_rnn import MelodyRnn

MOST_TRAINING_TUNES = 256  # that are looked at where nothing is held out
EVENTS_OF_A_PATTERN = 2  # notes and note-offs; a few tunes tell no more
ADVANTAGE = ("nll_per_step", "low", "high", "share_of_tunes")


@dataclass(frozen=True)
class Side:
    """One side of a dataset: melodies, int8 [steps] each, shortest first, and the file of each."""

    melodies: list[np.ndarray]
    sources: list[str]

    @classmethod
    def of(cls, melodies: Sequence[np.ndarray], sources: Sequence[str]) -> "Side":
        """Sort melodies by length, so that they fit into batches."""
        order = np.argsort([len(melody) for melody in melodies], kind="stable").tolist()
        return cls([melodies[i] for i in order], [str(sources[i]) for i in order])

    def without(self, files: Collection[str]) -> "Side":
        """Return the melodies of other files."""
        kept = [i for i, source in enumerate(self.sources) if source not in files]
        return Side([self.melodies[i] for i in kept], [self.sources[i] for i in kept])


@dataclass(frozen=True)
class Predicted:
    """How well tunes are predicted. All but `over_halfway` is None or empty where nothing is held out.

    Attributes:
        figures: Their part of metrics.json.
        challenger: Scores of held-out tunes.
        ngram: Scores of the same tunes.
        champion: Scores of the same tunes; None without a champion.
        over_ngram: The challenger's advantage.
        over_halfway: Its advantage over what lies half way between the n-gram and mere frequencies of events; where
            nothing is held out, over frequencies, on training tunes.
    """

    figures: dict[str, Any]
    challenger: TuneScores | None
    ngram: TuneScores | None
    champion: TuneScores | None
    over_ngram: Advantage | None
    over_halfway: Advantage

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of tunes.jsonl for each held-out tune, costs in nats a step; null where weights went astray."""
        if not self.challenger:
            return
        sides = {"model": self.challenger, "ngram": self.ngram, "champion": self.champion}
        for i, (source, steps) in enumerate(
            zip(self.challenger.sources, self.challenger.steps.tolist(), strict=True)
        ):
            costs = {
                who: finite(round(-float(scores.log_likelihood[i]) / max(steps, 1), 6))
                for who, scores in sides.items()
                if scores
            }
            yield {"source": source, "steps": steps, **costs}

    def beside_champion(self, version: int, known: frozenset[str], newcomers: Advantage | None) -> Comparison:
        """Return how the challenger does beside the champion.

        Args:
            version: The champion's.
            known: Files that the champion was trained on or held out; empty where that is not known.
            newcomers: How much pattern there is in what came in since, see `pattern_of_newcomers`.
        """
        challenger, champion = self.challenger, self.champion
        if not (challenger and champion and self.ngram):
            return Comparison(version, None, None)
        some_are_known = not known.isdisjoint(challenger.sources)
        some_are_new = not known.issuperset(challenger.sources)
        return Comparison(
            version,
            advantage(challenger, champion),
            advantage(champion, self.ngram),
            advantage(challenger.of(known), champion.of(known)) if some_are_known and some_are_new else None,
            newcomers,
        )


def predicting(
    model: "MelodyRnn",
    training: Side,
    held_out: Side,
    champion: Callable[[Sequence[np.ndarray]], np.ndarray] | None,
    on_done: Callable[[int], None],
) -> Predicted:
    """Let all of them predict the held-out tunes.

    Args:
        model: The challenger.
        training: What it and the n-gram learnt from.
        held_out: What they did not.
        champion: Log-likelihoods of melodies, in nats; None for no champion.
        on_done: Called with the parts done: 1 and 2.
    """
    from kakeai.model.measuring.figures import Figures
    from kakeai.model.measuring.held_out import (
        EventFigures,
        event_figures,
        of_tunes,
        predict,
        predict_by_ngram,
        squashed,
    )
    from kakeai.model.measuring.ngram import Ngram

    low, high = model.config.min_note, model.config.max_note
    learnt = squashed(training.melodies, model.config)
    frequencies = Ngram(learnt, low, high, events=0)
    if not held_out.melodies:
        every = -(-len(learnt) // MOST_TRAINING_TUNES)
        some, sources = learnt[::every], training.sources[::every]
        by_model = of_tunes(predict(model, some)[0], sources)
        over = advantage(by_model, of_tunes(predict_by_ngram(frequencies, some), sources))
        nothing = dict.fromkeys(
            [
                *Figures._fields,
                *(f"{who}_{name}" for who in ("model", "ngram") for name in EventFigures._fields),
                "beats_ngram",
                *(f"{who}_{name}" for who in ("gain", "champion_gain") for name in ADVANTAGE),
                "champion_nll_per_step",
            ]
        )
        on_done(2)
        return Predicted(nothing, None, None, None, None, over)

    melodies, sources = squashed(held_out.melodies, model.config), held_out.sources
    of_model, labels = predict(model, melodies)
    on_done(1)
    of_ngram = predict_by_ngram(Ngram(learnt, low, high), melodies)
    by_model, by_ngram = of_tunes(of_model, sources), of_tunes(of_ngram, sources)
    by_frequencies = of_tunes(predict_by_ngram(frequencies, melodies), sources)
    half_way = by_ngram._replace(
        log_likelihood=(by_ngram.log_likelihood + by_frequencies.log_likelihood) / 2.0
    )
    by_champion, over_champion = None, dict.fromkeys(Advantage._fields)
    if champion:
        steps = np.array([len(melody) - 1 for melody in held_out.melodies])
        by_champion = by_tune(sources, steps, champion(held_out.melodies))
        over_champion = advantage(by_model, by_champion)._asdict()
    on_done(2)
    over_ngram = advantage(by_model, by_ngram)
    figures = {
        **labels._asdict(),
        **{f"model_{name}": value for name, value in event_figures(of_model)._asdict().items()},
        **{f"ngram_{name}": value for name, value in event_figures(of_ngram)._asdict().items()},
        "beats_ngram": over_ngram.nll_per_step > 0,
        **{f"gain_{name}": getattr(over_ngram, name) for name in ADVANTAGE},
        "champion_nll_per_step": _cost(by_champion) if by_champion else None,
        **{f"champion_gain_{name}": over_champion[name] for name in ADVANTAGE},
    }
    return Predicted(figures, by_model, by_ngram, by_champion, over_ngram, advantage(by_model, half_way))


def pattern_of_newcomers(
    training: Side, held_out: Side, known: Collection[str], config: "Config"
) -> Advantage | None:
    """Return how much better an n-gram learnt from new tunes predicts new held-out ones than frequencies of events do.

    In random notes there is nothing to learn, and it is no better.

    Args:
        training: What was learnt from.
        held_out: What was not.
        known: Files that are not new.
        config: Into whose range the melodies are squashed.

    Returns:
        None where one of the sides has no new tunes.
    """
    from kakeai.model.measuring.held_out import of_tunes, predict_by_ngram, squashed
    from kakeai.model.measuring.ngram import Ngram

    learnt, asked = training.without(known), held_out.without(known)
    if not learnt.melodies or not asked.melodies:
        return None
    learnt_from, melodies = squashed(learnt.melodies, config), squashed(asked.melodies, config)

    def scores(events: int) -> TuneScores:
        ngram = Ngram(learnt_from, config.min_note, config.max_note, events)
        return of_tunes(predict_by_ngram(ngram, melodies), asked.sources)

    return advantage(scores(EVENTS_OF_A_PATTERN), scores(0))


def _cost(scores: TuneScores) -> float:
    return -float(scores.log_likelihood.sum()) / max(int(scores.steps.sum()), 1)
