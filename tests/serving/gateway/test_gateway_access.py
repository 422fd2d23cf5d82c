"""What keeps strangers from doing harm: tokens, origins, limits for one client, patience with an end."""

import hashlib
import json
import socket
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes

TOKENS = ["first secret", "second secret"]
HASHES = [hashlib.sha256(token.encode()).hexdigest() for token in TOKENS]
START = '{"type": "start"}'


def _metric(gateway, line):
    text = gateway.client.get("/metrics").text
    values = [row.rpartition(" ")[2] for row in text.splitlines() if row.startswith(f"{line} ")]
    return float(values[0]) if values else 0.0


def _bearer(token):
    return {"Authorization": f"Bearer {token}"}


# Tokens


def test_with_tokens_only_who_has_one_gets_an_answer(start_gateway):
    gateway = start_gateway(tokens=HASHES)

    def ask(**headers):
        return gateway.client.post("/v1/generate", json={"notes": []}, headers=headers)

    for headers in ({}, _bearer("wrong"), _bearer(HASHES[0]), {"Authorization": f"Basic {TOKENS[0]}"}):
        response = ask(**headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"
    assert all(ask(**_bearer(token)).status_code == 200 for token in TOKENS)
    assert gateway.client.get("/v1/models").status_code == 401
    assert gateway.client.post("/predict?duration=8", content=b"[]").status_code == 401
    for path in ("/metrics", "/docs", "/openapi.json"):
        assert gateway.client.get(path).status_code == 401
        assert gateway.client.get(path, headers=_bearer(TOKENS[0])).status_code == 200
    for path in ("/healthz", "/readyz"):
        assert gateway.client.get(path).status_code == 200
    api = gateway.client.get("/openapi.json", headers=_bearer(TOKENS[0])).json()
    assert api["paths"]["/v1/generate"]["post"]["security"] == [{"HTTPBearer": []}]


def test_operators_have_a_port_of_their_own(start_gateway):
    gateway = start_gateway(tokens=HASHES, operations_port=0)
    for path in ("/readyz", "/metrics"):
        assert gateway.client.get(path, headers=_bearer(TOKENS[0])).status_code == 404
        assert gateway.operations.get(path).status_code == 200
    for path in ("/docs", "/openapi.json"):
        assert gateway.client.get(path).status_code == 401
        assert gateway.operations.get(path).text == gateway.client.get(path, headers=_bearer(TOKENS[0])).text
    for client in (gateway.client, gateway.operations):
        assert client.get("/healthz").status_code == 200
    for path in ("/", "/v1/models"):
        assert gateway.operations.get(path, headers=_bearer(TOKENS[0])).status_code == 404
    forged = {**_bearer(TOKENS[0]), "Host": str(gateway.operations.base_url.netloc, "ascii")}
    assert gateway.client.get("/metrics", headers=forged).status_code == 404


def test_a_socket_brings_its_token_as_a_header_or_as_browsers_can(start_gateway):
    gateway = start_gateway(tokens=[hashlib.sha256(b"secret").hexdigest()])
    for options in ({}, {"subprotocols": ["kakeai", "bearer.wrong"]}):
        with pytest.raises(InvalidStatus) as refused, connect(gateway.session_url, **options):
            pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["title"] == "Unauthorized"
    with connect(gateway.session_url, additional_headers=_bearer("secret")) as session:
        session.send(START)
        assert json.loads(session.recv(timeout=20))["type"] == "ready"
    with connect(gateway.session_url, subprotocols=["kakeai", "bearer.secret"]) as session:
        assert session.subprotocol == "kakeai"


def test_a_token_is_made_by_a_command(start_gateway):
    made = subprocess.run(
        [sys.executable, "-m", "serving.gateway", "--new-token"], capture_output=True, text=True, check=True
    )
    token, fragment, digest = (line.rpartition(" ")[2] for line in made.stdout.splitlines())
    assert fragment == f"#token={token}"
    gateway = start_gateway(tokens=[digest])
    assert gateway.client.get("/v1/models", headers=_bearer(token)).status_code == 200


# Origins


def test_pages_of_other_sites_open_no_sessions(start_gateway):
    gateway = start_gateway(origins=["https://friends.example"])
    own = f"http://127.0.0.1:{gateway.port}"
    for origin in (own, "https://friends.example"):
        with connect(gateway.session_url, origin=origin) as session:
            session.send(START)
            assert json.loads(session.recv(timeout=20))["type"] == "ready"
    for origin in ("https://evil.example", "https://friends.example.evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused, connect(gateway.session_url, origin=origin):
            pass
        assert refused.value.response.status_code == 403


def test_pages_of_allowed_sites_alone_may_read_answers(start_gateway):
    gateway = start_gateway(origins=["https://friends.example"])
    for origin, allowed in (("https://friends.example", True), ("https://evil.example", False)):
        response = gateway.client.post("/v1/generate", json={"notes": []}, headers={"Origin": origin})
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed
    assert (
        "access-control-allow-origin"
        not in start_gateway().client.get("/v1/models", headers={"Origin": "https://evil.example"}).headers
    )


# Limits for one client


def test_one_client_cannot_take_all_places(start_gateway, model):
    gateway = start_gateway(max_client_answers=1, max_answers=2, trusted_proxies=["127.0.0.0/8"])

    def ask(client):
        return gateway.client.post("/v1/generate", json={"notes": []}, headers={"X-Forwarded-For": client})

    model.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, "203.0.113.5")
        assert model.was_asked.acquire(timeout=20)
        second = ask("198.51.100.1, 203.0.113.5")  # the proxy's word counts, not what the client claims
        assert (second.status_code, second.headers["retry-after"]) == (429, "1")
        other = pool.submit(ask, "203.0.113.6")
        assert model.was_asked.acquire(timeout=20)
        assert ask("203.0.113.7").status_code == 503
        model.may_answer.set()
        assert first.result().status_code == other.result().status_code == 200
    assert _metric(gateway, 'kakeai_shed_total{limit="client",what="answers"}') == 1
    assert _metric(gateway, 'kakeai_shed_total{limit="all",what="answers"}') == 1


def test_an_ipv6_subscriber_is_one_client(start_gateway):
    gateway = start_gateway(max_client_sessions=1, trusted_proxies=["127.0.0.1"])

    def open_session(client):
        return connect(gateway.session_url, additional_headers={"X-Forwarded-For": client})

    with open_session("2001:db8:1:2::1") as first, open_session("2001:db8:1:3::1") as neighbour:
        for session in (first, neighbour):
            session.send(START)
            assert json.loads(session.recv(timeout=20))["type"] == "ready"
        with open_session("2001:db8:1:2:ffff::2") as second:
            assert json.loads(second.recv(timeout=20))["status"] == 429


def test_without_a_trusted_proxy_nobody_speaks_for_others(start_gateway):
    gateway = start_gateway(max_client_sessions=1)
    with connect(gateway.session_url, additional_headers={"X-Forwarded-For": "203.0.113.5"}) as first:
        first.send(START)
        first.recv(timeout=20)
        with connect(gateway.session_url, additional_headers={"X-Forwarded-For": "203.0.113.6"}) as second:
            assert json.loads(second.recv(timeout=20))["status"] == 429


# Slow, large and malicious clients


def _rest(peer):
    """All that still comes, until the gateway closes."""
    try:
        return b"".join(iter(lambda: peer.recv(65536), b""))
    except ConnectionResetError:
        return b""


def test_a_head_that_trickles_in_is_not_waited_for(start_gateway):
    gateway = start_gateway(request_seconds=0.2)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as silent:
        assert b"408" in _rest(silent)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as slow:
        slow.settimeout(0.02)
        answer = None
        slow.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        while answer is None:
            with suppress(TimeoutError):
                answer = slow.recv(65536)
            if answer is None:
                slow.sendall(b"x")
        assert b"408" in answer
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: kakeai\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.sendall(b"GET /hea")
        assert b"408" in _rest(kept)
    assert _metric(gateway, "kakeai_slow_heads_total") == 3
    assert gateway.client.get("/healthz").status_code == 200


def test_a_client_that_never_reads_is_let_go(start_gateway, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("")
    (tmp_path / "assets" / "large.bin").write_bytes(bytes(16 << 20))
    gateway = start_gateway(send_seconds=0.2, page=tmp_path)
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(20)
        peer.connect(("127.0.0.1", gateway.port))
        peer.sendall(b"GET /assets/large.bin HTTP/1.1\r\nHost: kakeai\r\n\r\n")
        while not _metric(gateway, 'kakeai_http_requests_total{method="GET",route="other",status="200"}'):
            pass  # the request ends although nobody took its answer; the test's own limit ends this


def test_a_head_without_an_end_is_not_read_on(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: kakeai\r\n")
        with pytest.raises(ConnectionError):
            deque((peer.sendall(b"X-Long: " + b"x" * 4096 + b"\r\n") for _ in count()), maxlen=0)
    assert gateway.client.get("/healthz").status_code == 200


def test_what_is_not_http_is_told_so(gateway):
    for words in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
            peer.sendall(words)
            assert _rest(peer).startswith(b"HTTP/1.1 400 ")


def test_a_gigabyte_is_refused_at_its_announcement(gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
        peer.sendall(
            b"POST /v1/generate HTTP/1.1\r\nHost: kakeai\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert peer.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_million_notes_and_other_floods_leave_others_unharmed(gateway):
    note = '{"pitch":60,"start":0,"end":1}'
    floods = [
        (1_000_000, 413),  # some 30 MB
        (30_000, 413),  # as many as fit into a body
        (4097, 422),  # more than a phrase may have
    ]
    for size, status in floods:
        notes = ",".join([note] * size)
        response = gateway.client.post("/v1/generate", content=f'{{"notes":[{notes}]}}')
        assert response.status_code == status
    wrong = ",".join(['{"pitch":-1}'] * 8_000)
    response = gateway.client.post("/v1/generate", content=f'{{"notes":[{wrong}]}}')
    assert (response.status_code, response.json()["field"]) == (422, "notes[0].pitch")
    assert gateway.client.post("/v1/generate", json={"notes": []}).status_code == 200


def test_a_midi_bomb_fizzles(gateway):
    notes = make_notes([(60 + n % 2, 90, n * 0.01, n * 0.01 + 0.009) for n in range(100_000)])
    quarter = b"\x00\x90\x3c\x40\x60\x80\x3c\x00"
    longest = b"\xff\xff\xff\x7f\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\x00"  # rests of 2^28 ticks
    end = b"\x00\xff\x2f\x00"

    def file(events):
        track = b"MTrk" + (len(events + end)).to_bytes(4, "big") + events + end
        return b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60" + track

    bombs = [write_midi([Track("bomb", notes)]), file(quarter * 100_000), file(longest * 50)]
    for bomb in bombs:
        for query in ("", "?steps=512"):
            response = gateway.client.post(
                f"/v1/generate{query}", content=bomb, headers={"Content-Type": "audio/midi"}
            )
            assert response.status_code in {413, 422}, response.text
    form = gateway.client.post("/v1/generate", files={"midi": ("bomb.mid", bombs[2], "audio/midi")})
    assert form.status_code == 422


def test_no_answer_lacks_the_headers_that_keep_browsers_safe(gateway):
    for path in ("/", "/docs", "/v1/models", "/nowhere", "/openapi.json", "/metrics"):
        headers = gateway.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def test_requests_have_names_that_reach_the_model_server(gateway, model):

    def ask(**headers):
        return gateway.client.post("/v1/generate", json={"notes": []}, headers=headers)

    assert ask(**{"X-Request-Id": "song-1.a_B"}).headers["x-request-id"] == "song-1.a_B"
    assert model.asked[-1].metadata["x-request-id"] == "song-1.a_B"
    for odd in ("a b", "x" * 65, 'a"b', ""):
        name = ask(**{"X-Request-Id": odd}).headers["x-request-id"]
        assert name != odd
        assert model.asked[-1].metadata["x-request-id"] == name
