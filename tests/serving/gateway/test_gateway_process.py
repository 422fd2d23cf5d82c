"""The gateway as a process of its own: what it imports, how it starts, how it goes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from serving.gateway.settings import Settings

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KAKEAI_")}


def _python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def _gateway(*arguments, **settings):
    environment = {
        **ENVIRONMENT,
        **{f"KAKEAI_{name.upper()}": str(value) for name, value in settings.items()},
    }
    return subprocess.Popen(
        [sys.executable, "-m", "serving.gateway", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_nothing_heavy_is_imported():
    run = _python(
        "import sys, serving.gateway.server\n"
        "heavy = {'tensorflow', 'keras', 'note_seq', 'magenta', 'kfp', 'cloudpathlib'}\n"
        "print(sorted(heavy & sys.modules.keys()), [m for m in sys.modules if 'tensorflow.python' in m])"
    )
    assert (run.stdout, run.stderr) == ("[] []\n", "")


def test_help_lists_every_setting():
    process = _gateway("--help")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    for name in (
        "KAKEAI_PORT [8080]",
        "KAKEAI_MODEL_SERVER [127.0.0.1:8500]",
        *(f"KAKEAI_{name.upper()}" for name in Settings.model_fields),
    ):
        assert f"  {name}" in output


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"port": "http"}, "KAKEAI_PORT is 'http'"),
        ({"predict_seconds": "nan"}, "KAKEAI_PREDICT_SECONDS is 'nan'"),
        ({"log_level": "loud"}, "KAKEAI_LOG_LEVEL is 'loud'"),
        ({"host": "no.such.host.invalid"}, "Cannot listen on no.such.host.invalid:8080"),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(settings, sentence):
    process = _gateway(**settings)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith(f"kakeai gateway: {sentence}")
    assert len(errors.splitlines()) == 1


def test_a_port_in_use_is_told_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _gateway(port=taken.getsockname()[1])
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1
    assert "in use" in errors
    assert "KAKEAI_PORT" in errors


def _address(process):
    """Where the gateway says it listens."""
    for line in process.stderr:
        if "http://" in line:
            return line.split("http://")[1].strip()
    raise AssertionError("the gateway ended without a word")


def _ready(address):
    try:
        return httpx.get(f"http://{address}/readyz", timeout=20)
    except httpx.TransportError:
        return None


def test_after_a_signal_readiness_goes_first_and_what_began_is_finished(model):
    process = _gateway(port=0, model_server=model.address)
    try:
        address = _address(process)
        while (response := _ready(address)) is None or response.status_code != 200:
            pass
        model.was_asked = threading.Semaphore(0)
        model.may_answer.clear()
        answers = []
        request = threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"http://{address}/v1/generate", json={"notes": []}, timeout=60)
            )
        )
        request.start()
        assert model.was_asked.acquire(timeout=20)
        url = f"ws://{address}/v1/session"
        with connect(url) as busy, connect(url) as idle:
            for session in (busy, idle):
                session.send('{"type": "start"}')
                session.recv(timeout=20)
            busy.send('{"type": "call", "turn": 0, "bars": 1, "answer_bars": 1, "notes": []}')
            assert model.was_asked.acquire(timeout=20)

            process.send_signal(signal.SIGTERM)
            while (response := _ready(address)).status_code == 200:  # the port is open: a session plays
                pass
            assert "shutting down" in response.text
            _moves(idle)
            model.may_answer.set()
            assert json.loads(busy.recv(timeout=20))["type"] == "answer"
            _moves(busy)
        request.join()
        assert answers[0].status_code == 200
        assert process.wait(timeout=20) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        model.may_answer.set()
        process.kill()
        process.communicate()


def _moves(session):
    """See a session told to move, and its socket closed for a service restart."""
    assert json.loads(session.recv(timeout=20)) == {"type": "move"}
    with pytest.raises(ConnectionClosed) as closed:
        session.recv(timeout=20)
    assert closed.value.rcvd.code == 1012


def test_logs_as_json_one_line_a_request(model):
    process = _gateway(port=0, model_server=model.address, log_json=True, log_requests=True)
    try:
        for line in process.stderr:
            entry = json.loads(line)
            if "http://" in entry["message"]:
                address = entry["message"].split("http://")[1]
                break
        while _ready(address) is None:
            pass
        named = {"X-Request-Id": "this-one"}
        httpx.post(f"http://{address}/v1/generate", json={"notes": []}, headers=named, timeout=20)
        with (
            pytest.raises(InvalidStatus),
            connect(f"ws://{address}/v1/session", origin="https://evil.example"),
        ):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        entries = [json.loads(line) for line in process.stderr]
        [told] = [entry["message"] for entry in entries if entry.get("request") == "this-one"]
        assert told.startswith("POST /v1/generate 200 ")
        assert model.asked[-1].metadata["x-request-id"] == "this-one"
        assert not [entry for entry in entries if entry["level"] == "error"]  # a refusal is none
    finally:
        process.kill()
        process.communicate()
