"""What whoever runs the gateway sees: health, readiness, figures, models, the page and its headers."""

import asyncio
import json
import re

import httpx
import pytest
from fastapi.routing import APIRoute
from prometheus_client import generate_latest
from websockets.sync.client import connect

from serving.gateway.app import create_app
from serving.gateway.backend.readiness import Readiness
from serving.gateway.errors import NotReady
from serving.gateway.settings import Settings


def _until(wanted, ask):
    """Ask until the answer is the wanted one; the test's own time limit ends it."""
    while (got := ask()) != wanted:
        pass
    return got


def test_readiness_follows_the_model_server(start_gateway, model, free_port):
    gateway = start_gateway(model_server=f"127.0.0.1:{free_port}")

    def status(route):
        return gateway.client.get(route).status_code

    assert status("/healthz") == 200
    response = gateway.client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"

    server, _ = model.serve(f"127.0.0.1:{free_port}")
    _until(200, lambda: status("/readyz"))
    assert gateway.client.get("/readyz").json() == {"status": "ready", "model": "kakeai", "version": 3}
    model.states["kakeai"] = {3: "UNLOADING", 4: "LOADING"}
    _until(503, lambda: status("/readyz"))
    del model.states["kakeai"]
    _until(404, lambda: status("/readyz"))
    server.stop(None).wait()
    assert status("/healthz") == 200


@pytest.mark.parametrize("outcome", [3, NotReady("nothing is loaded")])
def test_fifty_probes_at_once_ask_the_model_server_once(outcome):
    checks = 0

    async def check():
        nonlocal checks
        checks += 1
        await asyncio.sleep(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def probe():
        readiness = Readiness(check)
        return await asyncio.gather(*(readiness.version() for _ in range(50)), return_exceptions=True)

    assert asyncio.run(probe()) == [outcome] * 50
    assert checks == 1


def _metric(gateway, line):
    found = re.search(rf"^{re.escape(line)} (\S+)$", gateway.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else None


def test_metrics_count_what_happened(start_gateway):
    gateway = start_gateway()
    gateway.client.post("/v1/generate", json={"notes": []})
    gateway.client.post("/v1/generate", json={"notes": 1})
    for path in ("/no/such/page", "/nor/this"):
        gateway.client.get(path)
    with connect(gateway.session_url) as socket:
        socket.send('{"type": "start"}')
        socket.recv(timeout=20)
        assert _metric(gateway, "kakeai_sessions_open") == 1
        socket.send('{"type": "call", "turn": 0, "bars": 1, "answer_bars": 1, "notes": []}')
        socket.recv(timeout=20)
    _until(0, lambda: _metric(gateway, "kakeai_sessions_open"))

    requests = 'kakeai_http_requests_total{method="%s",route="%s",status="%d"}'
    assert _metric(gateway, requests % ("POST", "/v1/generate", 200)) == 1
    assert _metric(gateway, requests % ("POST", "/v1/generate", 422)) == 1
    assert _metric(gateway, requests % ("GET", "other", 404)) == 2
    assert _metric(gateway, 'kakeai_http_request_seconds_count{model="kakeai",route="/v1/generate"}') == 1
    assert _metric(gateway, 'kakeai_model_server_seconds_count{call="predict",code="OK",model="kakeai"}') == 2
    assert _metric(gateway, 'kakeai_answers_total{door="generate",model="kakeai"}') == 1
    assert _metric(gateway, 'kakeai_answers_total{door="session",model="kakeai"}') == 1


def test_models_and_their_cards(start_gateway, model, tmp_path):
    model.states["waltz"] = {1: "AVAILABLE"}
    card = {"name": "kakeai", "version": 3, "corpus": {"num_files": 700}}
    for name, version in (("kakeai", "3"), ("waltz", "1"), ("unserved", "1")):
        folder = tmp_path / name / version / "assets.extra"
        folder.mkdir(parents=True)
        if name == "kakeai":
            (folder / "kakeai.json").write_text(json.dumps(card), "utf-8")
    versions = [
        {"version": 4, "state": "LOADING"},
        {"version": 3, "state": "AVAILABLE"},
        {"version": 2, "state": "AVAILABLE"},
        {"version": 1, "state": "END"},
    ]
    assert start_gateway(store=str(tmp_path)).client.get("/v1/models").json() == {
        "models": [
            {"name": "kakeai", "default": True, "versions": versions, "card": card},
            {
                "name": "waltz",
                "default": False,
                "versions": [{"version": 1, "state": "AVAILABLE"}],
                "card": None,
            },
        ]
    }
    # A store that cannot be read costs the cards and nothing else.
    lost = start_gateway(store=str(tmp_path / "gone")).client.get("/v1/models").json()
    assert lost == {"models": [{"name": "kakeai", "default": True, "versions": versions, "card": None}]}


def test_models_without_a_model_server(start_gateway, free_port):
    response = start_gateway(model_server=f"127.0.0.1:{free_port}").client.get("/v1/models")
    assert response.status_code == 503


@pytest.fixture
def page(tmp_path):
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<!doctype html><title>Kakeai</title>")
    (tmp_path / "dist" / "assets" / "index-abc123.js").write_text("// " + "hello " * 1000)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "dist"


def test_the_page_and_its_headers(start_gateway, page):
    client = start_gateway(page=page).client
    index = client.get("/")
    assert (index.status_code, index.text) == (200, "<!doctype html><title>Kakeai</title>")
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in index.headers["content-security-policy"].split("; "))
    assert policy["script-src"] == "'self'"
    assert policy["worker-src"] == "'self' blob:"
    assert policy["connect-src"] == policy["style-src"] == "'self'"
    assert index.headers["x-content-type-options"] == "nosniff"

    script = client.get("/assets/index-abc123.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-encoding"] == "gzip"
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt"]
)
def test_nothing_outside_the_page_is_served(start_gateway, page, path):
    import socket

    gateway = start_gateway(page=page)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: kakeai\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_a_page_that_is_not_built_says_how(start_gateway, page, tmp_path):
    client = start_gateway(page=tmp_path / "later").client
    response = client.get("/")
    assert response.status_code == 503
    assert "make page" in response.text
    page.rename(tmp_path / "later")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/predict", 404), ("PUT", "/v1/generate", 405)],
)
def test_even_the_framework_speaks_in_problem_details(gateway, method, path, status):
    response = gateway.client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code


def test_an_error_nobody_thought_of_shows_nothing_and_is_an_answer_like_any_other(caplog):
    app = create_app(Settings())

    async def broken():
        raise RuntimeError("secret words")

    app.router.routes.insert(0, APIRoute("/v1/broken", broken))

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kakeai") as client:
            return await client.get("/v1/broken", headers={"X-Request-Id": "it-broke"})

    response = asyncio.run(ask())
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "Internal error"
    assert "secret" not in response.text
    assert "secret words" in caplog.text
    assert "default-src" in response.headers["content-security-policy"]
    assert response.headers["x-request-id"] == "it-broke"
    figures = generate_latest(app.state.metrics.registry).decode()
    assert 'kakeai_http_requests_total{method="GET",route="/v1/broken",status="500"} 1.0' in figures


def test_the_docs_tell_routes_and_frames(gateway):
    html = gateway.client.get("/docs").text
    for word in (
        "/v1/generate",
        "/predict",
        "duration",
        "notes[].pitch",
        "integer 0..127",
        "WS /v1/session",
        "history[].who",
    ):
        assert word in html
    assert "<script" not in html
    api = gateway.client.get("/openapi.json").json()
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api)))
    assert references <= api["components"]["schemas"].keys()
    body = api["paths"]["/v1/generate"]["post"]["requestBody"]["content"]
    assert body.keys() == {"application/json", "audio/midi", "multipart/form-data"}
