"""A canary whose version cannot answer: before it is in the store, and when it is gone."""

import json
import re
import shutil

import pytest
from websockets.sync.client import connect

from serving.gateway.backend.canary import label_for
from serving.model_server.config import ServedModel, Specific
from serving.model_server.server import ModelServer

SHARE = 0.5
NAMES = [str(number) for number in range(12)]
IN_TRIAL = {name for name in NAMES if label_for(name, SHARE) == "canary"}
CALL = {"type": "call", "bars": 1, "answer_bars": 1, "notes": []}
WAIT_SECONDS = 60


def _frame(socket, **frame):
    socket.send(json.dumps(frame))
    return json.loads(socket.recv(timeout=WAIT_SECONDS))


def _versions(gateway):
    """What sessions of these names play with, as they are told and as they are answered."""
    played = {}
    for name in NAMES:
        with connect(gateway.session_url) as socket:
            told = _frame(socket, type="start", session=name).get("version")
            assert _frame(socket, **CALL, turn=0)["take"]["version"] == told
            played[name] = told
    return played


def _missed(gateway, label):
    row = rf'^kakeai_labels_missing_total{{label="{label}"}} (\S+)$'
    found = re.search(row, gateway.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0


def _said(caplog):
    return [record.getMessage() for record in caplog.records if "KAKEAI_CANARY_SHARE" in record.getMessage()]


def test_a_canary_begins_by_itself_when_its_version_comes(start_gateway, saved_model, tmp_path, caplog):
    base = tmp_path / "store" / "kakeai"
    shutil.copytree(saved_model, base / "1")
    served = ServedModel("kakeai", base, Specific([1, 2]), {"stable": 1, "canary": 2})
    with ModelServer([served], poll_seconds=0.05) as server:
        gateway = start_gateway(
            model_server=f"127.0.0.1:{server.port}", canary_share=SHARE, release_seconds=1e-6
        )
        while gateway.client.get("/readyz").status_code != 200:
            pass
        assert _versions(gateway) == dict.fromkeys(NAMES, 1)
        answers = [gateway.client.post("/v1/generate", json={"notes": [], "steps": 4}) for _ in range(12)]
        assert {answer.json()["answers"][0]["take"]["version"] for answer in answers} == {1}
        assert gateway.client.get("/readyz").json()["version"] == 1
        assert _missed(gateway, "canary") >= len(IN_TRIAL)
        assert _missed(gateway, "stable") == 0
        (said,) = _said(caplog)
        assert "with the label canary can answer: KAKEAI_CANARY_SHARE=0.5 is without effect" in said

        with connect(gateway.session_url) as early:
            assert _frame(early, type="start", session=min(IN_TRIAL))["version"] == 1
            shutil.copytree(saved_model, tmp_path / "aside")
            (tmp_path / "aside").rename(base / "2")
            listed = []
            while {"version": 2, "state": "AVAILABLE"} not in listed:
                listed = gateway.client.get("/v1/models").json()["models"][0]["versions"]
            assert _frame(early, **CALL, turn=0)["take"]["version"] == 1
            assert (
                json.loads(early.recv(timeout=WAIT_SECONDS))["version"] == 2
            )  # the release that it may adopt
        assert _versions(gateway) == {name: 2 if name in IN_TRIAL else 1 for name in NAMES}
        assert gateway.client.get("/readyz").json()["version"] == 1
        assert "KAKEAI_CANARY_SHARE=0.5 has effect" in _said(caplog)[-1]
        assert len(_said(caplog)) == 2


@pytest.mark.parametrize(
    ("labels", "states", "version"),
    [
        ({"stable": 2, "canary": 3}, {2: "AVAILABLE"}, 2),
        ({"stable": 2, "canary": 3}, {2: "AVAILABLE", 3: "LOADING"}, 2),
        ({"stable": 1, "canary": 3}, {2: "AVAILABLE"}, 2),
        ({"stable": 2}, {2: "AVAILABLE", 3: "AVAILABLE"}, 2),
        ({}, {2: "AVAILABLE", 3: "AVAILABLE"}, 3),
    ],
)
def test_readiness_is_of_the_version_that_sessions_get(start_gateway, model, caplog, labels, states, version):
    model.labels, model.states["kakeai"] = labels, states
    gateway = start_gateway(canary_share=SHARE)
    assert gateway.client.get("/readyz").json()["version"] == version
    assert set(_versions(gateway).values()) == {version}
    assert len(_said(caplog)) == (
        1 if labels.get("stable") == 2 else 2
    )  # one for each label, not for each session


def test_a_gateway_with_a_canary_is_not_ready_where_no_session_could_play(start_gateway, model):
    model.labels, model.states["kakeai"] = {"stable": 2, "canary": 3}, {2: "LOADING", 3: "END"}
    gateway = start_gateway(canary_share=SHARE)
    assert gateway.client.get("/readyz").status_code == 503
    with connect(gateway.session_url) as socket:
        assert _frame(socket, type="start")["status"] == 503
    model.states["kakeai"][2] = "AVAILABLE"
    while gateway.client.get("/readyz").status_code != 200:  # a state is kept for a second
        pass
    assert gateway.client.get("/readyz").json()["version"] == 2


def test_a_broken_canary_costs_the_gateways_nothing(start_gateway, model):
    model.labels, model.states["kakeai"] = {"stable": 2, "canary": 3}, {2: "AVAILABLE", 3: "AVAILABLE"}

    def break_the_canary(response):
        if response.model_spec.version.value == 3:
            response.outputs["log_likelihood"].float_val[:] = [float("nan")]
            response.outputs["log_likelihood"].tensor_content = b""

    model.spoil = break_the_canary
    gateway = start_gateway(canary_share=SHARE)
    assert gateway.client.get("/readyz").json()["version"] == 2
