"""Faults of a real model server and its store, seen through the gateway."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from websockets.sync.client import connect

from serving.model_server.client import PredictError, predict
from serving.model_server.config import Latest, ServedModel
from serving.model_server.server import ModelServer

CALL = {"type": "call", "bars": 1, "answer_bars": 1, "notes": [{"pitch": 60, "start": 0.0, "end": 0.5}]}
ENDLESS_STEPS = 1_000_000  # minutes, however fast the machine
WAIT_SECONDS = 60


def _generate(gateway, **body):
    return gateway.client.post("/v1/generate", json={"notes": [], "steps": 4, **body}, timeout=WAIT_SECONDS)


def _figure(gateway, row):
    found = re.search(rf"^{re.escape(row)} (\S+)$", gateway.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _frame(session, **frame):
    session.send(json.dumps(frame))
    return json.loads(session.recv(timeout=WAIT_SECONDS))


@pytest.fixture
def served(saved_model, tmp_path):
    """A model server of one version, and the folder of the model's versions."""
    base = tmp_path / "store" / "kakeai"
    shutil.copytree(saved_model, base / "1")
    with ModelServer([ServedModel("kakeai", base, Latest(2))], poll_seconds=0.05) as server:
        server.wait_until_available("kakeai", WAIT_SECONDS)
        yield server, base


def test_a_model_server_killed_in_the_middle_of_a_long_answer_and_started_again(
    start_gateway, store, free_port
):
    flags = [f"--port={free_port}", "--model_name=kakeai", f"--model_base_path={store / 'kakeai'}"]
    gateway = start_gateway(
        model_server=f"127.0.0.1:{free_port}", max_steps=ENDLESS_STEPS, predict_seconds=WAIT_SECONDS
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.model_server", *flags], stderr=subprocess.PIPE, text=True
    )
    try:
        while "kakeai version 1 is available" not in (line := process.stderr.readline()):
            assert line, "the model server ended"
        while _generate(gateway).status_code != 200:  # the channel looks for it again at its own pace
            pass
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(_generate, gateway, steps=ENDLESS_STEPS)
            while _figure(gateway, "kakeai_answers_in_flight") != 1:
                assert not answer.done(), answer.result().text
            assert _generate(gateway).status_code == 200  # it is at work: another one is answered meanwhile
            process.kill()
            killed = answer.result()
    finally:
        process.kill()
        process.communicate()
    assert (killed.status_code, killed.json()["title"]) == (503, "Model server unavailable")
    assert int(killed.headers["retry-after"]) >= 1
    assert gateway.client.get("/readyz").status_code == 503
    assert gateway.client.get("/healthz").status_code == 200
    assert _figure(gateway, "kakeai_answers_in_flight") == 0
    row = 'kakeai_model_server_seconds_count{call="predict",code="UNAVAILABLE",model="kakeai"}'
    assert _figure(gateway, row) >= 1

    with ModelServer([ServedModel("kakeai", store / "kakeai")], port=free_port):
        while gateway.client.get("/readyz").status_code != 200:  # a state is kept for a second
            pass
        assert gateway.client.get("/readyz").json()["version"] == 1
        assert _generate(gateway).status_code == 200


def test_a_corrupt_version_in_the_store_and_a_store_that_is_gone_cost_nobody_an_answer(
    start_gateway, served, tmp_path
):
    server, base = served
    gateway = start_gateway(
        model_server=f"127.0.0.1:{server.port}", store=str(base.parent), release_seconds=1e-6
    )
    with connect(gateway.session_url) as session:
        assert _frame(session, type="start")["version"] == 1
        (tmp_path / "aside").mkdir()
        (tmp_path / "aside" / "saved_model.pb").write_bytes(b"no model")
        (tmp_path / "aside").rename(base / "2")
        versions = []
        while {"version": 2, "state": "END"} not in versions:
            versions = gateway.client.get("/v1/models").json()["models"][0]["versions"]
            assert _generate(gateway).status_code == 200
        assert _frame(session, **CALL, turn=0)["take"]["version"] == 1
        assert _frame(session, **CALL, turn=1)["type"] == "answer"  # and no release was told of
        assert _generate(gateway, version=2).json()["field"] == "version"

        base.parent.rename(tmp_path / "gone")
        assert server._watcher.look_now(WAIT_SECONDS)  # it has seen that the store is gone
        assert gateway.client.get("/readyz").json()["version"] == 1
        assert _generate(gateway).status_code == 200
        assert _frame(session, **CALL, turn=2)["take"]["version"] == 1
        with connect(gateway.session_url) as another:
            assert _frame(another, type="start")["version"] == 1
    assert (
        _figure(gateway, 'kakeai_http_requests_total{method="POST",route="/v1/generate",status="503"}') == 0
    )


def test_a_primer_that_is_far_too_long_is_cut_by_the_gateway_and_stopped_at_its_deadline_by_the_model_server(
    start_gateway, real_servers
):
    events = [60, *[-2] * 15] * 500  # a quarter of an hour at 120 quarter notes a minute
    gateway = start_gateway(model_server=real_servers[0])

    def ask(melody):
        body = {"melody": melody, "steps": 4, "seed": 1}
        return gateway.client.post("/v1/generate", json=body).json()["answers"][0]

    assert ask(events)["melody"] == ask(events[-512:])["melody"]

    # Whoever reaches the model server itself can have it work on any primer, but no longer than they wait.
    endless = {
        "melody": np.full((1, 2_000_000), -2, np.int32),
        "length": np.array([2_000_000], np.int32),
        "steps": np.array([1], np.int32),
        "temperature": np.array([1], np.float32),
        "seed": np.array([1], np.int64),
    }
    with pytest.raises(PredictError, match="DEADLINE_EXCEEDED"):
        predict(real_servers[0], "kakeai", endless, "generate", timeout_seconds=0.5)
    assert _generate(gateway).status_code == 200
