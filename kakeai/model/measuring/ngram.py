"""An n-gram over melody events: what a model must beat to have learnt more than habits.

A plain n-gram over steps would see little more than "no event" in its window, so here a context is made of
what happened last: how long ago it was, the event itself, how long after the one before it came, that one,
and so on. It tells as much as all the steps that these events span.

Orders are interpolated by Witten and Bell's rule (1991, https://doi.org/10.1109/18.87000), each with a
strength of its own:

    p_k(e | context) = (n(context, e) + s_k t(context) p_{k-1}(e | shorter)) / (n(context) + s_k t(context))

where n counts occurrences, t the different events that followed the context, and p_{-1} is uniform. Melodies
repeat themselves, so their counts promise too much of other melodies: on 1,500 Irish tunes, with Witten and
Bell's own s_k = 1, contexts of more than two events do harm. The strengths are therefore chosen on every
tenth training melody, by an n-gram of the others, one order after the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kakeai.music.melody import NO_EVENT

# Notes and note-offs that the longest context holds; the eighth gains a thousandth of a nat a step.
EVENTS = 8
STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
WITTEN_BELL = 1.0
TRIED_ON_EVERY = 10  # melodies
SPECIAL_EVENTS = 2  # no event and note-off, which come before the pitches
MELODIES_AT_ONCE = 128  # in `predict`; bounds its memory


class Ngram:
    """Counts of training melodies, and what they say about others."""

    def __init__(
        self, melodies: Sequence[np.ndarray], min_note: int, max_note: int, events: int = EVENTS
    ) -> None:
        """Count.

        Args:
            melodies: Training melodies, int [steps] each, pitches of [min_note, max_note).
            min_note: Lowest pitch there is.
            max_note: One above the highest.
            events: Notes and note-offs that the longest context holds; 0 knows how frequent each event is, no more.
        """
        self._events_back = events
        self.min_note = min_note
        self.num_events = max_note - min_note + SPECIAL_EVENTS
        tried = melodies[::TRIED_ON_EVERY]
        others = [melody for i, melody in enumerate(melodies) if i % TRIED_ON_EVERY]
        self.strengths = [WITTEN_BELL] * (1 + 2 * events)  # nothing; then how long before, and which
        if others:
            self._orders = self._count(others)
            self.strengths = self._best_strengths(tried)
        self._orders = self._count(melodies)

    def predict(self, melodies: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield float64 [steps - 1, events] for each melody: the probability of each event after the first.

        Events come in the order NO_EVENT, NOTE_OFF, pitches from `min_note` upwards.

        Args:
            melodies: int [steps] each, of the same range as the training melodies.
        """
        for begin in range(0, len(melodies), MELODIES_AT_ONCE):
            some = melodies[begin : begin + MELODIES_AT_ONCE]
            contexts, following = self._contexts(some)
            probabilities = np.full((len(following), self.num_events), 1.0 / self.num_events)
            for order, strength, keys in zip(self._orders, self.strengths, contexts, strict=True):
                probabilities = order.distribution(keys, probabilities, strength)
            yield from np.split(probabilities, np.cumsum([max(len(melody) - 1, 0) for melody in some])[:-1])

    def indices(self, events: np.ndarray) -> np.ndarray:
        """Return the place of each event in what `predict` yields."""
        return np.where(events < 0, events - NO_EVENT, events - self.min_note + SPECIAL_EVENTS).astype(
            np.int64
        )

    def events(self, indices: np.ndarray) -> np.ndarray:
        """Return the event at each place; the inverse of `indices`."""
        return np.where(
            indices < SPECIAL_EVENTS, indices + NO_EVENT, indices - SPECIAL_EVENTS + self.min_note
        )

    def _count(self, melodies: Sequence[np.ndarray]) -> list["_Order"]:
        contexts, following = self._contexts(melodies)
        return [_Order.count(keys, following, self.num_events) for keys in contexts]

    def _best_strengths(self, melodies: Sequence[np.ndarray]) -> list[float]:
        contexts, following = self._contexts(melodies)
        shorter, strengths = np.full(len(following), 1.0 / self.num_events), []
        for order, keys in zip(self._orders, contexts, strict=True):
            tried = [order.probability(keys, following, shorter, strength) for strength in STRENGTHS]
            best = int(np.argmax([np.log(probability).sum() for probability in tried]))
            shorter = tried[best]
            strengths.append(STRENGTHS[best])
        return strengths

    def _contexts(self, melodies: Sequence[np.ndarray]) -> tuple[Iterator[np.ndarray], np.ndarray]:
        """A key for the context of each step but the melodies' first, order by order, and what follows it."""
        lengths = np.array([len(melody) for melody in melodies], np.int64)
        events = self.indices(np.concatenate([np.zeros(0, np.int8), *melodies]))
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
        steps = np.flatnonzero(np.arange(len(events)) > begins)
        return self._keys(events, steps, begins[steps]), events[steps]

    def _keys(self, events: np.ndarray, steps: np.ndarray, begins: np.ndarray) -> Iterator[np.ndarray]:
        # uint64 [steps] for each order. They are hashes: of a million contexts, two share one of 2^64 keys
        # once in 10^7 corpora.
        happened = np.flatnonzero(events != 0)  # steps at which something did
        newest = np.searchsorted(happened, steps) - 1
        happened = np.append(happened, -1)  # what index -1 finds
        until, key = steps, np.zeros(len(steps), np.uint64)
        yield key
        for back in range(self._events_back):
            at = happened[np.maximum(newest - back, -1)]
            is_there = at >= begins
            at = np.where(is_there, at, begins)
            key = _mixed(key, until - at)
            yield key
            key = _mixed(key, np.where(is_there, events[at], self.num_events))
            yield key
            until = at


@dataclass(frozen=True)
class _Order:
    """What followed contexts of one length.

    Attributes:
        num_events: How many different events there are.
        keys: uint64 [contexts], ascending.
        total: int64 [contexts], occurrences.
        distinct: int64 [contexts], different events that followed.
        entries: int64 [entries], ascending: index of a context * num_events + an event that followed it.
        counts: int64 [entries], how often.
    """

    num_events: int
    keys: np.ndarray
    total: np.ndarray
    distinct: np.ndarray
    entries: np.ndarray
    counts: np.ndarray

    @classmethod
    def count(cls, keys: np.ndarray, following: np.ndarray, num_events: int) -> "_Order":
        contexts, context = np.unique(keys, return_inverse=True)
        entries, counts = np.unique(context * num_events + following, return_counts=True)
        total = np.bincount(context, minlength=len(contexts))
        distinct = np.bincount(entries // num_events, minlength=len(contexts))
        return cls(num_events, contexts, total, distinct, entries, counts)

    def probability(
        self, keys: np.ndarray, events: np.ndarray, shorter: np.ndarray, strength: float
    ) -> np.ndarray:
        """Return float64 [steps]: the probability of one event each; `shorter` is that of the order below."""
        known, context = self._known(keys)
        wanted = context * self.num_events + events[known]
        entry = np.minimum(np.searchsorted(self.entries, wanted), len(self.entries) - 1)
        count = np.where(self.entries[entry] == wanted, self.counts[entry], 0)
        weight = strength * self.distinct[context]
        probability = shorter.copy()
        probability[known] = (count + weight * shorter[known]) / (self.total[context] + weight)
        return probability

    def distribution(self, keys: np.ndarray, shorter: np.ndarray, strength: float) -> np.ndarray:
        """Return float64 [steps, events]: the same of all events."""
        known, context = self._known(keys)
        distinct = self.distinct[context]
        weight = strength * distinct
        # Every known step takes the entries of its context, one after the other.
        nth = np.arange(distinct.sum()) - np.repeat(np.cumsum(distinct) - distinct, distinct)
        entry = np.repeat(np.searchsorted(self.entries, context * self.num_events), distinct) + nth
        mixed = shorter.copy()
        mixed[known] *= weight[:, None]
        mixed[np.repeat(known, distinct), self.entries[entry] % self.num_events] += self.counts[entry]
        mixed[known] /= (self.total[context] + weight)[:, None]
        return mixed

    def _known(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Which steps have a context that was counted, and its index.
        index = np.searchsorted(self.keys, keys)
        is_known = index < len(self.keys)
        is_known[is_known] = self.keys[index[is_known]] == keys[is_known]
        return np.flatnonzero(is_known), index[is_known]


def _mixed(key: np.ndarray, token: np.ndarray) -> np.ndarray:
    # uint64: a key and what comes further back → a new key. SplitMix64's finaliser, as in the sampler.
    key = (key ^ token.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
