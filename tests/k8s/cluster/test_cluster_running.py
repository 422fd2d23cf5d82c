"""`overlays/local` with our own model server on a real cluster: kubectl's current one, which has the images."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

Kubectl = Callable[..., str]

OVERLAY = "overlays/local + own-model-server"
WRITER = Path(__file__).parents[3] / "k8s" / "overlays" / "local" / "store-writer.yaml"
PHRASE = [
    {"pitch": pitch, "start": 0.25 * i, "end": 0.25 * i + 0.2, "velocity": 90}
    for i, pitch in enumerate([60, 62, 64, 65, 67, 65, 64, 62])
]
REQUESTS = (
    "import urllib.request as r;"
    "print(r.urlopen('http://localhost:8501/monitoring/prometheus/metrics').read().decode())"
)
SECONDS_TO_BE_FOUND = 120  # by gateways, whose connections end after 20 s


@pytest.fixture(scope="module")
def manifests(render):
    return yaml.safe_dump_all(render(OVERLAY).objects)


@pytest.fixture(scope="module")
def url(kubectl, manifests, trained):
    """A gateway's address, as docs/operations.md comes to it."""
    there = kubectl("get", "namespace", "kakeai", "--ignore-not-found")
    assert not there, "this cluster has Kakeai already: kubectl delete namespace kakeai"
    try:
        kubectl("apply", "-f", "-", given=manifests)
        kubectl("apply", "-f", str(WRITER))
        kubectl("wait", "--for=condition=Ready", "--timeout=3m", "pod/store-writer")
        kubectl("cp", f"{trained.store}/.", "store-writer:/models")
        kubectl("delete", "pod", "store-writer")
        roll_out(kubectl)
        address = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}'
        yield f"http://{kubectl('get', 'nodes', '-o', f'jsonpath={address}')}:30080"
    finally:
        kubectl("delete", "namespace", "kakeai", "--ignore-not-found")


def roll_out(kubectl: Kubectl) -> None:
    """Wait for both to be there."""
    for name in ("model-server", "gateway"):
        kubectl("rollout", "status", f"deployment/{name}", "--timeout=10m")


class Player:
    """Plays by HTTP and in a session, until it is stopped; counts what was answered and keeps what was not."""

    def __init__(self, url: str) -> None:
        """Play at a gateway's address."""
        self.answers = {"http": 0, "session": 0}
        self.failures: list[str] = []
        self.sessions = 0
        self._url = url
        self._stopped = threading.Event()

    @contextmanager
    def playing(self) -> Iterator["Player"]:
        """Play meanwhile."""
        threads = [threading.Thread(target=play) for play in (self._by_http, self._in_a_session)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def _by_http(self) -> None:
        request = {"notes": PHRASE, "qpm": 120, "steps": 16}
        while not self._stopped.is_set():
            try:
                httpx.post(f"{self._url}/v1/generate", json=request, timeout=30).raise_for_status()
                self.answers["http"] += 1
            except httpx.HTTPError as error:
                self.failures.append(repr(error))

    def _in_a_session(self) -> None:
        """As the page does: where a gateway says that it goes, open the session on another and ask again."""
        while not self._stopped.is_set():
            self.sessions += 1
            try:
                with connect(self._url.replace("http", "ws") + "/v1/session") as session:
                    session.send(json.dumps({"type": "start", "qpm": 120, "history": []}))
                    self._turns(session)
            except ConnectionClosed as error:
                if (
                    error.rcvd is None or error.rcvd.code != 1012
                ):  # "service restart", after a frame that says so
                    self.failures.append(repr(error))
            except OSError as error:
                self.failures.append(repr(error))

    def _turns(self, session) -> None:
        call = {"type": "call", "bars": 1, "answer_bars": 1, "notes": PHRASE, "temperature": 1.0}
        turn = 0
        while not self._stopped.is_set():
            session.send(json.dumps({**call, "turn": turn, "seed": turn}))
            while (frame := json.loads(session.recv(30)))["type"] not in ("answer", "error"):
                pass
            if frame["type"] == "error":
                self.failures.append(frame["title"])
            self.answers["session"] += 1
            turn += 1


def requests_of(kubectl: Kubectl, pod: str) -> int:
    """Predict requests that a model server has answered."""
    page = kubectl("exec", pod, "--", "python", "-c", REQUESTS)
    counts = re.findall(r"^:tensorflow:serving:request_count\{.*\} (\d+)", page, re.MULTILINE)
    return sum(map(int, counts))


def model_servers(kubectl: Kubectl) -> list[str]:
    """Their pods, the oldest first."""
    listed = kubectl(
        *("get", "pods", "--selector=app.kubernetes.io/name=model-server", "--output=name"),
        *("--sort-by=.metadata.creationTimestamp", "--field-selector=status.phase=Running"),
    )
    return listed.split()


def test_a_second_apply_changes_nothing(kubectl, url, manifests):
    lines = kubectl("apply", "-f", "-", given=manifests).splitlines()
    assert len(lines) > 10
    assert [line for line in lines if not line.endswith(" unchanged")] == []


def test_only_operators_reach_readiness_and_metrics(kubectl, url):
    assert httpx.get(f"{url}/healthz").json() == {"status": "alive"}
    for path in ("/readyz", "/metrics"):
        assert httpx.get(f"{url}{path}").status_code == 404
    read = "import urllib.request as r; print(r.urlopen('http://{}:8081/{}', timeout=5).read().decode())"
    gateway = kubectl("get", "pods", "--selector=app.kubernetes.io/name=gateway", "--output=name").split()[0]
    inside = ("exec", gateway, "--", "python", "-c")
    assert json.loads(kubectl(*inside, read.format("localhost", "readyz")))["version"] == 1
    assert "kakeai_sessions_open" in kubectl(*inside, read.format("localhost", "metrics"))
    # From another pod of the namespace, whose connection the policies refuse.
    address = kubectl("get", gateway, "--output=jsonpath={.status.podIP}")
    attempt = (
        f"import socket; socket.setdefaulttimeout(5); print(socket.socket().connect_ex(('{address}', 8081)))"
    )
    answer = kubectl("exec", model_servers(kubectl)[0], "--", "python", "-c", attempt)
    assert answer != "0"


def test_a_model_server_that_comes_later_gets_its_share(kubectl, url):
    with Player(url).playing() as player:
        kubectl("scale", "deployment/model-server", "--replicas=2")
        roll_out(kubectl)
        old, new = model_servers(kubectl)
        deadline = time.monotonic() + SECONDS_TO_BE_FOUND
        while requests_of(kubectl, new) < 20:
            assert time.monotonic() < deadline, (requests_of(kubectl, old), requests_of(kubectl, new))
        print(
            f"requests of the old pod {requests_of(kubectl, old)}, of the new one {requests_of(kubectl, new)}"
        )
        kubectl("scale", "deployment/model-server", "--replicas=1")
    assert player.failures == []


def test_a_roll_out_of_both_cuts_no_phrase(kubectl, url):
    with Player(url).playing() as player:
        kubectl("rollout", "restart", "deployment/model-server", "deployment/gateway")
        roll_out(kubectl)
    print(f"answers {player.answers}, sessions {player.sessions}")
    assert min(player.answers.values()) > 0
    assert player.failures == []
