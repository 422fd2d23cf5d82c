"""The longest shared passage, against a search that tries everything."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.model.measuring.quotation import longest_quotations

EVENT = st.sampled_from([-2, -2, -1, 60, 60, 62, 64])
MELODY = st.lists(EVENT, max_size=30).map(lambda events: np.array(events, np.int8))
MELODIES = st.lists(MELODY, max_size=5)


def moves(melody):
    notes = [(at, int(event)) for at, event in enumerate(melody) if event >= 0]
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(notes)]


def longest_by_trying(melody, source):
    mine, theirs = moves(melody), moves(source)
    rows = {tuple(theirs[i:j]) for i in range(len(theirs)) for j in range(i + 1, len(theirs) + 1)}
    found = [j - i for i in range(len(mine)) for j in range(i + 1, len(mine) + 1) if tuple(mine[i:j]) in rows]
    return max(found) + 1 if found else 0


@settings(max_examples=150, deadline=None)
@given(melodies=MELODIES, sources=MELODIES)
def test_nothing_longer_is_found_by_trying_everything(melodies, sources):
    quotations = longest_quotations(melodies, sources)
    assert len(quotations) == len(melodies)
    for melody, quotation in zip(melodies, quotations, strict=True):
        lengths = [longest_by_trying(melody, source) for source in sources]
        assert quotation.notes == max(lengths, default=0)
        if quotation.notes:
            passage = moves(melody)[quotation.begin :][: quotation.notes - 1]
            theirs = moves(sources[quotation.source])
            assert any(theirs[i : i + len(passage)] == passage for i in range(len(theirs)))
            assert lengths[quotation.source] == quotation.notes


def random_tune(rng, notes=80):
    events = np.full((notes, 2), -2, np.int8)
    events[:, 0] = rng.integers(40, 90, notes)
    return events.ravel()


def test_a_planted_quotation_is_found_in_another_key():
    rng = np.random.default_rng(0)
    sources = [random_tune(rng) for _ in range(30)]
    melody = random_tune(rng)
    passage = sources[17][40:64]
    melody[20 : 20 + len(passage)] = np.where(passage >= 0, passage + 5, passage)
    (quotation,) = longest_quotations([melody], sources)
    assert quotation.source == 17
    assert quotation.notes >= 12


def test_random_melodies_share_next_to_nothing():
    rng = np.random.default_rng(0)
    quotations = longest_quotations(
        [random_tune(rng) for _ in range(20)], [random_tune(rng) for _ in range(30)]
    )
    assert max(quotation.notes for quotation in quotations) <= 5


def test_another_rhythm_is_no_quotation():
    tune = np.array([60, -2, 62, -2, 64, -2, 65, -2], np.int8)
    slower = np.array([60, -2, -2, 62, -2, -2, 64, -2, -2, 65], np.int8)
    (quotation,) = longest_quotations([slower], [tune])
    assert quotation.notes == 0


def test_passages_do_not_go_on_from_one_tune_to_the_next():
    whole = np.array([60, 61, 63, 66, 70, 75, 81], np.int8)
    (quotation,) = longest_quotations([whole], [whole[:4], whole[3:]])
    assert quotation.notes == 4
