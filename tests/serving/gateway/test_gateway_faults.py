"""Faults, with real processes: in each a clear status, others unharmed, nothing kept, and figures that tell."""

import json
import signal
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import httpx
import pytest
from websockets.sync.client import connect

CALL = '{"type": "call", "turn": %d, "bars": 1, "answer_bars": 1, "notes": []}'
SESSIONS = 1000
GROWTH_BYTES = 4 << 20  # far below what a thousand sessions would hold if they were kept


@contextmanager
def _model_server(file, address):
    process = subprocess.Popen([sys.executable, str(file), address])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _figure(client, name, **labels):
    """The sum of a metric over the rows that have these labels."""
    rows = [
        row for row in client.get("/metrics").text.splitlines() if row.startswith((f"{name}{{", f"{name} "))
    ]
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(row.rpartition(" ")[2]) for row in rows if all(part in row for part in wanted))


def _generate(gateway):
    return gateway.client.post("/v1/generate", json={"notes": []})


def _frame(session, text):
    session.send(text)
    return json.loads(session.recv(timeout=30))


def test_a_model_server_that_stalls_is_killed_in_the_middle_of_an_answer_and_comes_back(
    start_gateway, stand_in_file, free_port
):
    address = f"127.0.0.1:{free_port}"
    hasty = start_gateway(model_server=address, predict_seconds=0.5, status_seconds=0.5)
    patient = start_gateway(model_server=address, predict_seconds=30)
    with connect(patient.session_url) as session, ThreadPoolExecutor(1) as pool:
        with _model_server(stand_in_file, address) as process:
            while _generate(hasty).status_code != 200:  # the test's own limit ends this, as all like it
                assert process.poll() is None
            assert hasty.client.get("/readyz").status_code == 200
            assert _frame(session, '{"type": "start"}')["type"] == "ready"
            assert _frame(session, CALL % 0)["type"] == "answer"

            process.send_signal(signal.SIGSTOP)  # slow: it takes the request and says nothing
            slow = _generate(hasty)
            assert (slow.status_code, slow.json()["title"]) == (504, "Model server too slow")
            while hasty.client.get("/readyz").status_code != 504:  # a state is kept for a second
                pass
            assert hasty.client.get("/healthz").status_code == 200
            assert _figure(hasty.client, "kakeai_model_server_seconds_count", code="DEADLINE_EXCEEDED") >= 2

            answer = pool.submit(_generate, patient)
            session.send(CALL % 1)
            while _figure(patient.client, "kakeai_answers_in_flight") != 2:
                pass
            assert patient.client.get("/healthz").status_code == 200
            process.kill()
            assert answer.result().status_code == 503
            assert int(answer.result().headers["retry-after"]) >= 1
            problem = json.loads(session.recv(timeout=30))
            assert (problem["type"], problem["status"], problem["turn"]) == ("error", 503, 1)
        while patient.client.get("/readyz").status_code != 503:
            pass
        assert _figure(patient.client, "kakeai_answers_in_flight") == 0
        assert _figure(patient.client, "kakeai_model_server_seconds_count", code="UNAVAILABLE") >= 2

        with _model_server(stand_in_file, address):
            while _generate(hasty).status_code != 200:
                pass
            while (frame := _frame(session, CALL % 1))["type"] == "error":
                assert frame["status"] == 503
            assert frame["turn"] == 1


def test_of_two_replicas_one_may_go(start_gateway, model):
    other = type(model)()
    other.reset()
    (one_server, one), (other_server, another) = model.serve(), other.serve()
    gateway = start_gateway(model_server=f"ipv4:{one},{another}")
    while not (model.asked and other.asked):  # by turns, once both are connected
        assert _generate(gateway).status_code == 200
    one_server.stop(None).wait()
    assert all(_generate(gateway).status_code == 200 for _ in range(8))
    other_server.stop(None).wait()
    assert _generate(gateway).status_code == 503


def test_hedging_asks_a_second_time_and_takes_the_first_answer(start_gateway, model):
    plain, hedged = start_gateway(), start_gateway(hedge_seconds=0.01)
    assert _generate(plain).status_code == 200
    assert model.was_asked.acquire(timeout=20)
    assert len(model.asked) == 1
    model.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_generate, hedged)
        for _ in range(2):
            assert model.was_asked.acquire(timeout=20)
        model.may_answer.set()
        assert answer.result().status_code == 200
    first, second = model.asked[-2:]
    assert first.inputs["seed"] == second.inputs["seed"]


@pytest.mark.parametrize(
    ("failure", "status"), [(None, 200), ((grpc.StatusCode.INTERNAL, "It failed as well"), 502)]
)
def test_a_hedged_call_that_fails_leaves_the_other_one_alone(start_gateway, model, failure, status):
    model.may_answer.clear()
    model.refusals = {2: (grpc.StatusCode.RESOURCE_EXHAUSTED, "No room")}
    gateway = start_gateway(hedge_seconds=0.01)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_generate, gateway)
        assert model.has_refused.acquire(timeout=20)
        assert (
            gateway.client.get("/v1/models").status_code == 200
        )  # on the same connection, after the refusal
        assert not answer.done()
        model.failure = failure
        model.may_answer.set()
        assert answer.result().status_code == status
    assert len(model.asked) == 2


@pytest.fixture
def gateway_process(model):
    """A gateway as a process of its own: its client, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway"],
        env={"KAKEAI_PORT": "0", "KAKEAI_MODEL_SERVER": model.address, "PYTHONPATH": ":".join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(next(line for line in process.stderr if "http://" in line).rpartition(":")[2])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            while True:
                try:
                    client.get("/healthz")
                    break
                except httpx.ConnectError:
                    continue
            yield client, port
    finally:
        process.kill()
        process.communicate()


def _open_and_drop(port):
    """Open a session, have its answer under way, and vanish without a word."""
    upgrade = (
        "GET /v1/session HTTP/1.1\r\nHost: kakeai\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(upgrade.encode())
        assert peer.recv(4096).startswith(b"HTTP/1.1 101")
        for text in ('{"type":"start"}', (CALL % 0).replace(" ", "")):
            frame = text.encode()
            assert len(frame) < 126
            peer.sendall(bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame)
        assert b"ready" in peer.recv(4096)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no good-bye


def test_a_thousand_sessions_opened_and_dropped_leave_nothing(gateway_process):
    client, port = gateway_process
    memory = []
    with ThreadPoolExecutor(20) as pool:
        for _ in range(4):
            list(pool.map(lambda _: _open_and_drop(port), range(SESSIONS // 4)))
            while _figure(client, "kakeai_sessions_open"):
                pass
            memory.append(_figure(client, "process_resident_memory_bytes"))
    assert _figure(client, "kakeai_answers_in_flight") == 0
    assert _figure(client, "process_open_fds") < 40
    assert memory[-1] - memory[0] < GROWTH_BYTES, memory
    assert client.post("/v1/generate", json={"notes": []}).status_code == 200
