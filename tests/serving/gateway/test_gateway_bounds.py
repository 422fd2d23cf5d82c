"""How much one frame or request makes the gateway compute: as much as a model hears, and no more."""

import json
import tracemalloc

import numpy as np
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from phrases import QUARTERS
from websockets.sync.client import connect

from kakeai.music.melody import STEPS_PER_QUARTER, melody_from_notes
from kakeai.music.score import make_notes
from serving.gateway.api.frames import Call, Start, Turn
from serving.gateway.api.json_bounds import check_json, count_values
from serving.gateway.api.messages import Note
from serving.gateway.errors import InvalidRequest, RequestTooLarge
from serving.gateway.load.pieces import PIECE_BYTES
from serving.gateway.play import session as session_module
from serving.gateway.play.primer import PRIMER_STEPS, top_voice, within
from serving.gateway.play.session import Session

CALL = Call(type="call", turn=0, bars=1, answer_bars=1, notes=[])
MEBIBYTE = 1 << 20


def _dense_top_voice(notes, qpm):
    """The top voice as it was computed first: with arrays of all steps, and a loop over all notes."""
    per_second = STEPS_PER_QUARTER * qpm / 60.0
    starts = np.floor(notes["start"] * per_second + 0.5).astype(np.int64)
    ends = np.maximum(np.floor(notes["end"] * per_second + 0.5).astype(np.int64), starts + 1)
    if not notes.size:
        return notes
    covered = np.zeros(int(ends.max()), bool)
    begun = np.zeros(int(ends.max()), bool)
    heard = np.zeros(notes.size, bool)
    for pitch in np.unique(notes["pitch"])[::-1]:
        group = np.flatnonzero(notes["pitch"] == pitch)
        for note in group:
            under = np.count_nonzero(covered[starts[note] : ends[note]])
            heard[note] = not begun[starts[note]] and 2 * under <= ends[note] - starts[note]
            begun[starts[note]] = True
        for note in group:
            covered[starts[note] : ends[note]] = True
    return notes[heard]


def _notes(longest):
    row = st.tuples(st.integers(0, 127), st.integers(1, 127), st.floats(0, 8), st.floats(0.001, longest))
    rows = st.lists(row, max_size=24)
    return rows.map(
        lambda found: make_notes([(p, v, start, start + length) for p, v, start, length in found])
    )


@given(_notes(4), st.floats(10, 500))
def test_the_top_voice_is_what_it_was(notes, qpm):
    np.testing.assert_array_equal(top_voice(notes, qpm), _dense_top_voice(notes, qpm))


@given(_notes(3600), st.floats(10, 500), st.integers(1, 128))
def test_what_is_inside_of_a_turn_is_heard_as_ever(notes, qpm, steps):
    inside = within(notes, qpm, steps)
    heard = melody_from_notes(top_voice(inside, qpm), qpm, steps)
    np.testing.assert_array_equal(heard, melody_from_notes(_dense_top_voice(inside, qpm), qpm, steps))
    # Cutting takes nothing from the melody itself: without voices to choose from, it is that of all notes.
    np.testing.assert_array_equal(melody_from_notes(inside, qpm, steps), melody_from_notes(notes, qpm, steps))
    assert (inside["start"] < inside["end"]).all()


@pytest.fixture
def computed(monkeypatch):
    """Steps of the melodies that sessions compute."""
    steps = []

    def counted(notes, qpm, count):
        steps.append(count)
        return melody_from_notes(notes, qpm, count)

    monkeypatch.setattr(session_module, "melody_from_notes", counted)
    return steps


def _primer(history, beats_per_bar=4):
    session = Session()
    session.start(Start(type="start", history=history, beats_per_bar=beats_per_bar), "kakeai", 1)
    return session.call(CALL).primer


def _turn(number, bars=1):
    notes = [Note(pitch=number % 128, start=0.0, end=0.5)]
    return Turn(who="player", bars=bars, notes=notes)


def test_of_a_long_history_only_the_end_is_computed(computed):
    history = [_turn(number) for number in range(27_589)]
    primer = _primer(history)
    assert sum(computed) == PRIMER_STEPS + 16 + 16  # one turn more than a primer has, and the call
    np.testing.assert_array_equal(primer, _primer(history[-PRIMER_STEPS // 16 - 1 :]))
    assert primer.size == PRIMER_STEPS
    assert primer[-32] == 27_588 % 128


@given(st.lists(st.tuples(st.integers(0, 127), st.integers(1, 20)), max_size=60), st.sampled_from([1, 3, 4]))
def test_a_history_is_heard_from_its_end_as_it_was_in_whole(turns, beats_per_bar):
    history = [_turn(*turn) for turn in turns]
    session = Session()
    session.start(Start(type="start", history=[], beats_per_bar=beats_per_bar), "kakeai", 1)
    steps_per_bar = beats_per_bar * STEPS_PER_QUARTER
    session._dialogue = [session._phrase(_columns(turn), turn.bars, 120.0).melody for turn in history]
    expected = session.call(CALL).primer
    np.testing.assert_array_equal(_primer(history, beats_per_bar), expected)
    assert expected.size % steps_per_bar == 0


def _columns(turn):
    return make_notes([(note.pitch, note.velocity, note.start, note.end) for note in turn.notes])


def test_notes_of_an_hour_take_no_more_than_their_turn():
    notes = [Note(pitch=number % 128, start=0.0, end=3600.0) for number in range(4096)]
    call = CALL.model_copy(update={"notes": notes})
    session = Session()
    session.start(Start(type="start", qpm=500.0), "kakeai", 1)
    tracemalloc.start()
    session.call(call)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MEBIBYTE
    assert session._pending is not None
    assert session._pending.phrase.voice["end"].tolist() == [16 * 60 / 500 / 4]


def _filled(head, item, tail, size=MEBIBYTE - 16):
    return head + ",".join([item] * ((size - len(head) - len(tail)) // (len(item) + 1))) + tail


_FLOODS = {
    "turns": _filled('{"type":"start","history":[', '{"who":"player","bars":1,"notes":[]}', "]}"),
    "notes": _filled(
        '{"type":"call","turn":0,"bars":1,"answer_bars":1,"notes":[', '{"pitch":1,"start":0,"end":1}', "]}"
    ),
    "turns without fields": _filled('{"type":"start","history":[', "{}", "]}"),
    "lists": _filled('{"type":"start","x":[', "[]", "]}"),
    "nothing but commas": "[" + "," * (MEBIBYTE - 16) + "]",
    "unknown fields": '{"type":"call",' + ",".join(f'"k{number}":0' for number in range(20_000)) + "}",
}


@pytest.mark.parametrize("flood", _FLOODS.values(), ids=_FLOODS)
def test_a_flood_is_turned_away_before_a_message_is_made_of_it(gateway, flood):
    tracemalloc.start()
    with pytest.raises((RequestTooLarge, InvalidRequest)):
        check_json(flood.encode(), 2 * 4096)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MEBIBYTE
    with connect(gateway.session_url) as socket:
        socket.send(flood)
        error = json.loads(socket.recv(timeout=20))
        assert error["status"] in {413, 422}
        assert ("values" in error["detail"]) or ("fields" in error["detail"])
        socket.send('{"type":"start"}')
        assert json.loads(socket.recv(timeout=20))["type"] == "ready"


@given(st.recursive(st.integers(), lambda v: st.lists(v) | st.dictionaries(st.text("ab,[{"), v)))
def test_no_value_is_left_uncounted(value):
    def count(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + sum(map(count, inner))

    assert count_values(json.dumps(value).encode()) >= count(value)


def test_the_longest_history_that_a_page_sends_is_heard(gateway, model):
    # Thirty-two turns of four bars, the player's with two notes on every sixteenth.
    played = [
        {
            "pitch": 60 + 12 * voice,
            "velocity": 90,
            "start": step * 0.125,
            "end": step * 0.125 + 0.12345678901234,
        }
        for step in range(64)
        for voice in (0, 1)
    ]
    answered = [note for note in played if note["pitch"] == 72]
    history = [
        {"who": "player", "bars": 4, "notes": played}
        if turn % 2 == 0
        else {"who": "kakeai", "bars": 4, "notes": answered}
        for turn in range(32)
    ]
    with connect(gateway.session_url) as socket:
        socket.send(json.dumps({"type": "start", "qpm": 120, "history": history}))
        assert json.loads(socket.recv(timeout=20))["type"] == "ready"
        socket.send(CALL.model_dump_json())
        assert json.loads(socket.recv(timeout=20))["type"] == "answer"
    assert len(model.asked[-1].primer) == PRIMER_STEPS
    assert set(model.asked[-1].primer[:-16]) == {72}  # on every sixteenth, and the upper of two voices


def test_a_phrase_may_have_so_many_steps(gateway):
    hour = [{**QUARTERS[0], "end": 3600.0}]
    response = gateway.client.post("/v1/generate", json={"notes": hour, "qpm": 500})
    assert (response.status_code, response.json()["field"]) == (422, "notes")
    assert "120000 sixteenths; a phrase may last 8192" in response.json()["detail"]
    answer = gateway.client.post("/v1/generate", json={"notes": hour, "qpm": 500, "primer_steps": 16})
    assert answer.json()["answers"][0]["take"]["primer_steps"] == 16


def test_an_array_of_bytes_is_small(gateway):
    response = gateway.client.post("/predict?duration=3", content="[" + "0," * 65_536 + "0]")
    assert response.status_code == 413
    assert "send a larger file as it is" in response.json()["detail"]


def test_connections_are_read_in_small_pieces(start_gateway, monkeypatch):
    read = []
    config = uvicorn.Config

    def noting(protocol):
        def data_received(self, data):
            read.append(len(data))
            protocol.data_received(self, data)

        return type("Noting", (protocol,), {"data_received": data_received})

    def noting_config(app, http, ws, **options):
        return config(app, http=noting(http), ws=noting(ws), **options)

    monkeypatch.setattr(uvicorn, "Config", noting_config)
    gateway = start_gateway()
    assert gateway.client.post("/v1/generate", content=b" " * 500_000).status_code == 400
    with connect(gateway.session_url) as socket:
        socket.send(" " * 500_000)
        assert json.loads(socket.recv(timeout=20))["status"] in {400, 422}
    assert sum(read) > 1_000_000
    assert max(read) == PIECE_BYTES
