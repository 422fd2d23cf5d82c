"""WS /v1/session, over real sockets."""

import json
import re
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

QUARTER = {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 90}
SILENCE = [-2] * 16


class Player:
    """A client that sends and gets frames as dictionaries."""

    def __init__(self, socket):
        self.socket = socket

    def send(self, frame):
        self.socket.send(json.dumps(frame))

    def get(self):
        return json.loads(self.socket.recv(timeout=20))

    def ask(self, frame):
        self.send(frame)
        return self.get()

    def start(self, **fields):
        return self.ask({"type": "start", **fields})

    def call(self, turn=0, notes=(), **fields):
        frame = {"type": "call", "turn": turn, "bars": 1, "answer_bars": 1, "notes": list(notes), **fields}
        return self.ask(frame)


@contextmanager
def playing(gateway):
    with connect(gateway.session_url, open_timeout=20, close_timeout=5) as socket:
        yield Player(socket)


def test_a_session_from_start_to_second_answer(gateway, model):
    with playing(gateway) as player:
        ready = player.start(qpm=120, beats_per_bar=4)
        name = ready.pop("session")
        assert re.fullmatch("[A-Za-z0-9_-]{1,64}", name)
        assert ready == {
            "type": "ready",
            "model": "kakeai",
            "version": 3,
            "card": None,
            "collects": False,
        }

        answer = player.call(0, [QUARTER], answer_bars=2, temperature=0.5, seed=11)
        assert answer == {
            "type": "answer",
            "turn": 0,
            "bars": 2,
            "notes": [
                {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 90},
                {"pitch": 60, "start": 2.0, "end": 2.5, "velocity": 90},
            ],
            "take": {
                "model": "kakeai",
                "version": 3,
                "seed": 11,
                "temperature": 0.5,
                "steps": 32,
                "qpm": 120.0,
                "primer_steps": 16,
                "dynamics": "follow",
            },
            "log_likelihood": -16.0,
            "polyphonic": False,
        }
        bar = [60, -2, -2, -2, -1] + [-2] * 11
        assert model.asked[0].primer == bar
        assert player.call(1, [{**QUARTER, "pitch": 62}])["turn"] == 1
        assert model.asked[1].primer == bar * 3 + [62] + bar[1:]


def test_a_session_goes_on_at_another_gateway(gateway, start_gateway, model):
    turns = [[QUARTER], [{**QUARTER, "pitch": 65, "start": 1.75, "end": 2.0}], [{**QUARTER, "pitch": 67}]]
    history = []

    def remember(qpm, notes, answer):
        history.append({"who": "player", "bars": 1, "notes": notes, "qpm": qpm})
        history.append({"who": "kakeai", "bars": answer["bars"], "notes": answer["notes"], "qpm": qpm})

    with playing(gateway) as player:
        player.start(qpm=120)
        for turn in (0, 1):
            remember(120, turns[turn], player.call(turn, turns[turn]))
        player.send({"type": "tempo", "qpm": 90})
        unbroken = player.call(2, turns[2], seed=1)

    with playing(start_gateway()) as player:
        assert player.start(qpm=90, history=history)["type"] == "ready"
        assert player.call(2, turns[2], seed=1) == unbroken
    assert len(model.asked[-1].primer) == 5 * 16
    assert model.asked[-1].primer == model.asked[-2].primer


@pytest.mark.parametrize(
    ("frame", "status", "field", "detail"),
    [
        ("{", 400, None, "not JSON"),
        ("[]", 422, None, "object"),
        (b"{}", 400, None, "text, not binary"),
        ({}, 422, "type", "start, call, tempo and adopt"),
        ({"type": "dance"}, 422, "type", "start, call, tempo and adopt"),
        ({"type": "start"}, 409, "type", "waits for a call, a tempo or an adopt"),
        ({"type": "tempo"}, 422, "qpm", "missing"),
        ({"type": "tempo", "qpm": 5}, 422, "qpm", "greater than or equal to 10"),
        ({"type": "tempo", "qpm": 100, "swing": True}, 422, "swing", "not a field"),
        ({"type": "call", "turn": 0, "bars": 0, "answer_bars": 1, "notes": []}, 422, "bars", "greater"),
        ({"type": "call", "turn": 0, "bars": 1, "answer_bars": 65, "notes": []}, 422, "answer_bars", "64"),
        (
            {
                "type": "call",
                "turn": 0,
                "bars": 1,
                "answer_bars": 1,
                "notes": [QUARTER, {**QUARTER, "end": 0}],
            },
            422,
            "notes[1].end",
            "greater than 0",
        ),
    ],
)
def test_a_bad_frame_is_told_and_the_session_goes_on(gateway, frame, status, field, detail):
    with playing(gateway) as player:
        player.start()
        player.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)
        error = player.get()
        assert (error["type"], error["status"], error.get("field")) == ("error", status, field)
        assert detail in error["detail"]
        assert player.call(3, [QUARTER])["turn"] == 3


def test_errors_of_a_call_tell_its_turn(gateway):
    with playing(gateway) as player:
        error = player.call(4)
        assert (error["status"], error["turn"]) == (409, 4)
        player.start()
        error = player.call(5, answer_bars=33)
        assert (error["status"], error["turn"], error["field"]) == (422, 5, "answer_bars")
        error = player.call(6, [QUARTER] * 4097)
        assert (error["status"], error["turn"], error["field"]) == (422, 6, "notes")
        assert player.call(5)["turn"] == 5


def test_a_history_with_a_turn_too_full(gateway):
    history = [
        {"who": "kakeai", "bars": 1, "notes": []},
        {"who": "player", "bars": 1, "notes": [QUARTER] * 4097},
    ]
    with playing(gateway) as player:
        error = player.start(history=history)
        assert (error["status"], error["field"]) == (422, "history[1].notes")
        assert player.start(history=history[:1])["type"] == "ready"


def test_a_session_waits_for_its_model(gateway, model):
    with playing(gateway) as player:
        assert player.start(model="nobody")["status"] == 404
        model.states["kakeai"] = {1: "LOADING"}
        error = player.start()
        assert (error["status"], error["title"]) == (503, "Not ready")
        model.states["kakeai"] = {1: "AVAILABLE"}
        assert player.start()["version"] == 1


def test_the_model_server_goes_and_comes_back_in_a_session(start_gateway, model):
    server, address = model.serve()
    with playing(start_gateway(model_server=address)) as player:
        player.start()
        player.call(0, [QUARTER])
        server.stop(None).wait()
        error = player.call(1)
        assert (error["type"], error["status"], error["turn"]) == ("error", 503, 1)

        server, _ = model.serve(address)
        while (answer := player.call(1))["type"] == "error":  # the test's own time limit ends this
            assert answer["status"] == 503
        assert model.asked[-1].primer[-16:] == SILENCE
        assert len(model.asked[-1].primer) == 3 * 16  # the failed tries left no trace
    server.stop(None).wait()


def test_a_slow_model_is_told(start_gateway, model):
    with playing(start_gateway(predict_seconds=0.05)) as player:
        player.start()
        model.may_answer.clear()
        error = player.call(7)
        assert (error["status"], error["turn"]) == (504, 7)


def test_a_frame_that_is_too_large_ends_the_connection(gateway):
    with playing(gateway) as player:
        player.start()
        with pytest.raises(ConnectionClosed) as closed:
            player.ask({"type": "tempo", "qpm": "9" * 2**20})
        assert closed.value.rcvd.code == 1009


def test_only_so_many_sessions(start_gateway):
    gateway = start_gateway(max_sessions=1)
    with playing(gateway) as first:
        first.start()
        with playing(gateway) as second:
            error = second.get()
            assert (error["type"], error["status"]) == ("error", 503)
            with pytest.raises(ConnectionClosed) as closed:
                second.get()
            assert closed.value.rcvd.code == 1013
        assert first.call(0)["turn"] == 0


def test_a_silent_session_is_closed(start_gateway):
    with playing(start_gateway(session_idle_seconds=0.05)) as player:
        with pytest.raises(ConnectionClosed) as closed:
            player.get()
        assert closed.value.rcvd.code == 1001


def test_a_card_comes_with_the_session(start_gateway, tmp_path):
    card = {"name": "kakeai", "version": 3, "metrics": {"event_accuracy": 0.4}}
    folder = tmp_path / "kakeai" / "3" / "assets.extra"
    folder.mkdir(parents=True)
    (folder / "kakeai.json").write_text(json.dumps(card), "utf-8")
    gateway = start_gateway(store=str(tmp_path))
    assert gateway.client.get("/v1/models").json()["models"][0]["card"] == card  # it has been read
    with playing(gateway) as player:
        assert player.start()["card"] == card


def test_a_session_keeps_its_version_for_as_long_as_it_is_served(start_gateway, model):
    with playing(start_gateway(release_seconds=1e-6)) as player:
        assert player.start()["version"] == 3
        model.states["kakeai"][4] = "AVAILABLE"
        assert player.call(0)["take"]["version"] == 3
        assert player.get() == {"type": "release", "version": 4, "card": None}
        assert model.asked[-1].version == 3

        model.states["kakeai"] = {4: "AVAILABLE", 3: "UNLOADING"}
        assert player.call(1)["take"]["version"] == 4
        assert player.get()["version"] == 4
        assert player.call(2)["take"]["version"] == 4
        del model.states["kakeai"]
        assert player.call(3)["status"] == 404


def test_a_version_is_resumed_and_adopted_only_if_it_is_served(start_gateway):
    gateway = start_gateway(release_seconds=1e-6)
    with playing(gateway) as player:
        assert player.start(version=2, session="abc") == {
            "type": "ready",
            "session": "abc",
            "model": "kakeai",
            "version": 2,
            "card": None,
            "collects": False,
        }
        error = player.ask({"type": "adopt", "version": 1})
        assert (error["status"], error["field"]) == (404, "version")
        assert player.call(0)["take"]["version"] == 2
        assert player.get()["type"] == "release"
        assert player.ask({"type": "adopt", "version": 3})["version"] == 3
        assert player.call(1)["take"]["version"] == 3
    with playing(gateway) as player:
        assert player.ask({"type": "adopt", "version": 3})["status"] == 409
        assert player.start(version=1)["version"] == 3


def test_canaries_are_drawn_by_the_sessions_name(start_gateway, model):
    model.labels = {"stable": 2, "canary": 3}
    one, other = (start_gateway(canary_share=0.3) for _ in range(2))
    drawn = {}
    for name in map(str, range(40)):
        with playing(one) as player:
            drawn[name] = player.start(session=name)["version"]
            assert player.call(0)["take"]["version"] == drawn[name]
    assert 4 <= list(drawn.values()).count(3) <= 20  # of 40, 12 are expected
    for name in ("0", "1", "2", "3"):
        with playing(other) as player:
            assert player.start(session=name)["version"] == drawn[name]
    labels = set()
    for _ in range(40):
        one.client.post("/v1/generate", json={"notes": []})
        labels.add(model.asked[-1].label)
    assert labels == {"stable", "canary"}


@pytest.mark.parametrize(("labels", "version"), [({"stable": 2}, 2), ({}, 3)])
def test_a_canary_whose_label_is_taken_away_leaves_what_there_is(start_gateway, model, labels, version):
    gateway = start_gateway(canary_share=1.0)
    model.labels = {"stable": 2, "canary": 3}
    with playing(gateway) as player:
        assert player.start()["version"] == 3
        model.labels = labels
        assert player.call(0)["take"]["version"] == 3  # it keeps its own
    with playing(gateway) as player:
        assert player.start()["version"] == version
        assert player.call(0)["take"]["version"] == version
    answer = gateway.client.post("/v1/generate", json={"notes": []})
    assert answer.json()["answers"][0]["take"]["version"] == version
    figures = gateway.client.get("/metrics").text
    assert 'kakeai_labels_missing_total{label="canary"}' in figures
    assert ('kakeai_labels_missing_total{label="stable"}' in figures) is not bool(labels)


def test_what_is_played_shows_in_the_figures(start_gateway, model):
    gateway = start_gateway()

    def figure(row):
        found = re.search(
            rf"^kakeai_{re.escape(row)} (\S+)$", gateway.client.get("/metrics").text, re.MULTILINE
        )
        return float(found[1]) if found else 0

    with playing(gateway) as player:
        player.start()
        player.call(0, due=1000)  # silence, which this model answers by silence
    with playing(gateway) as player:
        player.start()
        player.call(0, [{**QUARTER, "pitch": 20}, {**QUARTER, "start": 1.0, "end": 1.5}], due=0)
        player.call(1, [QUARTER], answer_bars=2)
    turns = {
        timing: figure(f'session_turns_total{{timing="{timing}"}}') for timing in ("ready", "late", "untimed")
    }
    assert turns == {"ready": 1, "late": 1, "untimed": 1}
    assert figure('silent_answers_total{model="kakeai"}') == 1
    assert figure('answer_steps_total{model="kakeai"}') == 64
    inside, outside = (
        figure(f'answer_notes_total{{model="kakeai",range="{r}"}}') for r in ("inside", "outside")
    )
    assert (inside, outside) == (3, 3)
    assert figure('answer_repetition_count{model="kakeai"}') == 3
    assert figure('answer_repetition_sum{model="kakeai"}') > 0  # this model plays everything over again
