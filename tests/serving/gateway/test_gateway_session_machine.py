"""The session without a socket."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.api.frames import Call, Start, Tempo, Turn
from serving.gateway.api.messages import MAX_SEED, Note
from serving.gateway.backend.ask import Reply
from serving.gateway.errors import OutOfTurn
from serving.gateway.play.primer import PRIMER_STEPS
from serving.gateway.play.session import Session, State

BAR = 16  # steps of 4/4


def _start(session, **fields):
    session.start(Start(type="start", **fields), "kakeai", 7)


def _call(turn=0, notes=(), bars=1, answer_bars=1, **fields):
    return Call(type="call", turn=turn, bars=bars, answer_bars=answer_bars, notes=list(notes), **fields)


def _melody(*events, steps=BAR):
    melody = np.full(steps, -2, np.int8)
    melody[: len(events)] = events
    return melody


def _answered(session, melody, seed=5):
    return session.answered(Reply(melody, -1.0, seed, 7))


def test_call_and_answer_make_one_line():
    session = Session()
    _start(session, qpm=120.0)
    held = Note(pitch=60, start=1.75, end=2.0)
    ask = session.call(_call(notes=[held], seed=5, temperature=0.5, answer_bars=2))
    assert ask.primer.tolist() == [-2] * 14 + [60, -2]
    assert (ask.model, ask.version, ask.steps, ask.seeds) == ("kakeai", 7, 2 * BAR, (5,))

    answer = _answered(session, _melody(-2, 62, -1, steps=2 * BAR))
    assert [(note.pitch, note.start, note.end) for note in answer.notes] == [(62, 0.125, 0.25)]
    assert (answer.turn, answer.bars, answer.log_likelihood) == (0, 2, -1.0)
    take = answer.take
    assert (take.model, take.version, take.seed, take.temperature, take.steps) == ("kakeai", 7, 5, 0.5, 32)

    again = session.call(_call(turn=1))
    assert again.primer.tolist() == [-2] * 14 + [60, -2] + [-1, 62, -1] + [-2] * 29 + [-2] * BAR


def test_answers_are_as_loud_as_the_player_was_on_average_if_asked_to():
    session = Session()
    _start(session)
    notes = [Note(pitch=60, start=0, end=0.5, velocity=30), Note(pitch=62, start=0.5, end=1, velocity=50)]
    session.call(_call(notes=notes, dynamics="flat"))
    assert {note.velocity for note in _answered(session, _melody(60, 64)).notes} == {40}


def test_the_tempo_changes_what_is_to_come_and_not_what_was():
    session = Session()
    _start(session, qpm=120.0)
    quarter = [Note(pitch=60, start=0.5, end=1.0)]  # the second beat at 120
    session.call(_call(notes=quarter))
    _answered(session, _melody(-2))
    session.tempo(Tempo(type="tempo", qpm=60.0))
    primer = session.call(_call(turn=1, notes=quarter)).primer.tolist()
    assert primer.index(60) == 4
    assert primer.index(60, 5) == 2 * BAR + 2
    assert _answered(session, _melody(-2, 62, -1)).notes[0].start == 0.25


def test_a_primer_is_cut_to_whole_bars():
    session = Session()
    _start(session, beats_per_bar=3)
    for turn in range(40):
        primer = session.call(_call(turn, notes=[Note(pitch=turn, start=0, end=0.1)])).primer
        _answered(session, _melody(-2, steps=12))
    assert primer.size == PRIMER_STEPS // 12 * 12
    assert primer[-12] == 39


def test_the_same_turn_again_replaces_it():
    session = Session()
    _start(session)
    session.call(_call(0))
    _answered(session, _melody(50))
    first = session.call(_call(1, notes=[Note(pitch=60, start=0, end=0.1)])).primer
    _answered(session, _melody(70))
    second = session.call(_call(1, notes=[Note(pitch=61, start=0, end=0.1)])).primer
    assert first.size == second.size
    assert second[-BAR] == 61
    assert 70 not in second
    _answered(session, _melody(71))
    with pytest.raises(OutOfTurn, match="Turn 0 is past"):
        session.call(_call(0))


def test_a_call_that_failed_leaves_no_trace():
    session = Session()
    _start(session)
    call = _call(0, notes=[Note(pitch=60, start=0, end=0.1)])
    primer = session.call(call).primer
    session.failed()
    np.testing.assert_array_equal(session.call(call).primer, primer)


def test_seeds_are_drawn_where_none_is_given():
    session = Session()
    _start(session)
    seeds = []
    for turn in range(5):
        seeds += session.call(_call(turn)).seeds
        _answered(session, _melody(-2))
    assert len(set(seeds)) == 5
    assert all(0 <= seed <= MAX_SEED for seed in seeds)


def test_moves_out_of_turn_say_what_is_expected():
    session = Session()
    with pytest.raises(OutOfTurn, match="A call came, but the session waits for a start"):
        session.call(_call())
    with pytest.raises(OutOfTurn, match="A tempo came"):
        session.tempo(Tempo(type="tempo", qpm=100.0))
    _start(session)
    with pytest.raises(
        OutOfTurn, match="A start came, but the session waits for a call, a tempo or an adopt"
    ):
        _start(session)
    session.call(_call())
    with pytest.raises(OutOfTurn, match="waits for its model"):
        session.call(_call(1))
    assert session.state is State.ANSWERING


_notes = st.lists(
    st.builds(
        lambda pitch, start, length, velocity: Note(
            pitch=pitch, start=start, end=start + length, velocity=velocity
        ),
        st.integers(0, 127),
        st.floats(0, 8),
        st.floats(0.001, 4),
        st.integers(1, 127),
    ),
    max_size=6,
)
_exchanges = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(30, 300)),  # a new tempo before it
        st.integers(1, 3),  # the call's bars
        _notes,
        st.lists(st.integers(-2, 127), min_size=BAR, max_size=BAR),  # the answer's events
    ),
    min_size=1,
    max_size=8,
)


@given(_exchanges, st.data())
def test_a_session_resumed_anywhere_asks_what_it_would_have_asked_unbroken(exchanges, data):
    broken_before = data.draw(st.integers(0, len(exchanges) - 1))
    unbroken, resumed = Session(), None
    _start(unbroken, qpm=120.0)
    qpm, history = 120.0, []
    for turn, (tempo, bars, notes, events) in enumerate(exchanges):
        if turn == broken_before:
            seen = [Turn.model_validate_json(text) for text in map(json.dumps, history)]
            resumed = Session()
            _start(resumed, qpm=qpm, history=seen)
        playing = [session for session in (unbroken, resumed) if session]
        if tempo:
            qpm = tempo
            for session in playing:
                session.tempo(Tempo(type="tempo", qpm=tempo))
        asks = [session.call(_call(turn, notes, bars)) for session in playing]
        np.testing.assert_array_equal(asks[0].primer, asks[-1].primer)
        answers = [_answered(session, np.array(events, np.int8)) for session in playing]
        history += [
            {"who": "player", "bars": bars, "qpm": qpm, "notes": [note.model_dump() for note in notes]},
            {"who": "kakeai", "bars": 1, "qpm": qpm, "notes": [n.model_dump() for n in answers[0].notes]},
        ]
