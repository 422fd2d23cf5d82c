"""Model cards out of a bucket that hangs, fails, or holds none."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.sync.client import connect

CARD = {"name": "kakeai", "version": 3, "corpus": {"num_files": 700}}
CALL = {"type": "call", "turn": 0, "bars": 1, "answer_bars": 1, "notes": []}
WAIT_SECONDS = 20
NEVER = 600.0  # seconds: longer than a test may take


def _frame(session, **frame):
    session.send(json.dumps(frame))
    return json.loads(session.recv(timeout=WAIT_SECONDS))


@pytest.fixture
def store(bucket):
    """A store in a bucket, with the card of the version that plays."""
    store = bucket.folder()
    bucket.put(f"{store}/kakeai/3/assets.extra/kakeai.json", json.dumps(CARD).encode())
    bucket.calls.clear()
    return store


@pytest.fixture
def hanging(bucket):
    """The bucket takes requests and says nothing, until this is set."""
    end = threading.Event()
    with bucket.answering(lambda call: end.wait(2 * WAIT_SECONDS) and None):
        yield end
        end.set()


def test_a_bucket_that_hangs_holds_up_no_session_and_takes_no_threads(start_gateway, store, hanging, bucket):
    gateway = start_gateway(store=store, status_seconds=NEVER)
    default_threads = _threads("asyncio_")
    sessions = [connect(gateway.session_url) for _ in range(20)]
    try:
        for session in sessions:
            ready = _frame(session, type="start")
            assert (ready["type"], ready["version"], ready["card"]) == ("ready", 3, None)
        assert sum(call.downloads for call in bucket.calls) <= 1  # for them all
        assert _threads("model-store") <= 4
        assert _threads("asyncio_") == default_threads

        hanging.set()
        session = sessions[0]
        assert gateway.client.get("/v1/models").json()["models"][0]["card"] == CARD
        assert _frame(session, **CALL)["type"] == "answer"
        assert json.loads(session.recv(timeout=WAIT_SECONDS)) == {**ready, "session": _ANY, "card": CARD}
        assert _frame(session, **CALL)["type"] == "answer"
        assert _frame(session, type="adopt", version=2)["type"] == "ready"  # it came once
    finally:
        for session in sessions:
            session.close()


class _Anything:
    def __eq__(self, other):
        return True

    __hash__ = None


_ANY = _Anything()


def _threads(prefix):
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def test_those_who_wait_for_a_card_share_one_request_which_ends_in_time(
    start_gateway, store, hanging, bucket
):
    gateway = start_gateway(store=store, status_seconds=0.5)

    def cards(_):
        [model] = gateway.client.get("/v1/models").json()["models"]
        return model["card"]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(cards, range(8))) == {None}
        assert _asked(bucket) == (1, 1)
        assert set(pool.map(cards, range(8))) == {None}  # it is not asked again so soon
    assert _asked(bucket) == (1, 1)


def _asked(bucket):
    """How often for the names of the models, and how often for a card."""
    return sum(call.lists for call in bucket.calls), sum(call.downloads for call in bucket.calls)


def test_a_gateway_stops_while_its_bucket_hangs(model, store, hanging):
    settings = {"PORT": "0", "MODEL_SERVER": model.address, "STORE": store, "STATUS_SECONDS": "0.5"}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway"],
        env={**os.environ, **{f"KAKEAI_{name}": value for name, value in settings.items()}},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(line for line in process.stderr if "http://" in line).split("http://")[1].strip()
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=f"http://{address}", transport=transport, timeout=WAIT_SECONDS) as client:
            assert client.get("/v1/models").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_card_that_is_not_there_is_not_looked_for_at_every_session(start_gateway, bucket):
    gateway = start_gateway(store=bucket.folder())
    bucket.calls.clear()
    for _ in range(5):
        assert gateway.client.get("/v1/models").json()["models"][0]["card"] is None
    assert sum("kakeai.json" in call.path for call in bucket.calls) == 1


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_what_is_no_card_counts_as_none(start_gateway, tmp_path, content):
    folder = tmp_path / "kakeai" / "3" / "assets.extra"
    folder.mkdir(parents=True)
    (folder / "kakeai.json").write_bytes(content)
    gateway = start_gateway(store=str(tmp_path))
    assert gateway.client.get("/v1/models").json()["models"][0]["card"] is None
    with connect(gateway.session_url) as session:
        assert _frame(session, type="start")["card"] is None


def test_the_models_of_a_bucket_are_listed(start_gateway, model, store, bucket):
    model.states["waltz"] = {1: "AVAILABLE"}
    bucket.put(f"{store}/waltz/1/saved_model.pb", b"")
    gateway = start_gateway(store=store)
    assert [found["name"] for found in gateway.client.get("/v1/models").json()["models"]] == [
        "kakeai",
        "waltz",
    ]
