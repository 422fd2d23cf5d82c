"""What /v1/generate refuses: each time with the field at fault and what it may be."""

import json
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from phrases import QUARTERS, generate


def _note(**changes):
    return {"notes": [QUARTERS[0], {**QUARTERS[1], **changes}]}


@pytest.mark.parametrize(
    ("body", "status", "field", "detail"),
    [
        ("{", 400, None, "not JSON"),
        ('{"notes": []} {}', 400, None, "not JSON"),
        (b"\xff", 400, None, "not JSON"),
        ("[" * 10_000, 400, None, "not JSON"),
        ("[]", 422, None, "object"),
        ({}, 422, None, "either notes or a melody"),
        ({"notes": 3}, 422, "notes", "array"),
        (_note(pitch=128), 422, "notes[1].pitch", "less than or equal to 127"),
        (_note(pitch=-1), 422, "notes[1].pitch", "greater than or equal to 0"),
        (_note(pitch="60"), 422, "notes[1].pitch", "integer"),
        (_note(pitch=60.5), 422, "notes[1].pitch", "integer"),
        (_note(velocity=0), 422, "notes[1].velocity", "greater than or equal to 1"),
        (_note(velocity=128), 422, "notes[1].velocity", "less than or equal to 127"),
        (_note(start=-0.1), 422, "notes[1].start", "greater than or equal to 0"),
        (_note(end=0.5), 422, "notes[1].end", "after the note's start"),
        (_note(end=1e9), 422, "notes[1].end", "less than or equal to 3600"),
        ('{"notes": [{"pitch": 60, "start": 0, "end": NaN}]}', 422, "notes[0].end", "finite"),
        ('{"notes": [{"pitch": 60, "start": 0, "end": 1e999}]}', 422, "notes[0].end", "finite"),
        ({"notes": [], "qpm": 0}, 422, "qpm", "greater than or equal to 10"),
        ({"notes": [], "qpm": "fast"}, 422, "qpm", "number"),
        ({"notes": [], "temperature": 0}, 422, "temperature", "greater than or equal to 0.001"),
        ({"notes": [], "steps": 0}, 422, "steps", "greater than or equal to 1"),
        ({"notes": [], "steps": 513}, 422, "steps", "512"),
        ({"notes": [], "primer_steps": 0}, 422, "primer_steps", "greater than or equal to 1"),
        ({"notes": [], "primer_steps": 10**9}, 422, "primer_steps", "8192"),
        ({"notes": [], "seed": 2**53}, 422, "seed", "9007199254740991"),
        ({"notes": [], "seed": -1}, 422, "seed", "greater than or equal to 0"),
        ({"notes": [], "model": "../secrets"}, 422, "model", "pattern"),
        ({"notes": [], "model": "nobody"}, 404, "model", "no model 'nobody'"),
        ({"notes": [], "temprature": 1}, 422, "temprature", "not a field"),
        ({"notes": [QUARTERS[0]] * 4097}, 422, "notes", "4096"),
    ],
)
def test_bad_requests_name_the_field(gateway, body, status, field, detail):
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    response = gateway.client.post(
        "/v1/generate", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem.get("field") == field
    assert detail in problem["detail"]


@pytest.mark.parametrize(
    ("length", "field", "detail"),
    [
        ({"steps": 4, "bars": 1}, None, "one of steps, seconds and bars"),
        ({"bars": 33}, "bars", "528 sixteenths; an answer may have 1 to 512"),
        ({"seconds": 0.01}, "seconds", "asks for 0 sixteenths"),
        ({"seconds": 3600}, "seconds", "an answer may have 1 to 512"),
        ({"variations": 17}, "variations", "less than or equal to 16"),
    ],
)
def test_lengths_that_are_none(gateway, length, field, detail):
    problem = generate(gateway, **length)
    assert problem.status_code == 422
    assert problem.json().get("field") == field
    assert detail in problem.json()["detail"]


def test_a_large_body_is_not_read_to_its_end(gateway):
    response = gateway.client.post("/v1/generate", content=b" " * (2**20 + 1))
    assert response.status_code == 413
    assert "1048576 bytes" in response.json()["detail"]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
        peer.sendall(b"POST /v1/generate HTTP/1.1\r\nHost: kakeai\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with pytest.raises(ConnectionError):
            deque((peer.sendall(chunk) for _ in count()), maxlen=0)


def test_a_body_that_does_not_come(start_gateway):
    gateway = start_gateway(request_seconds=0.05)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as peer:
        peer.sendall(b"POST /v1/generate HTTP/1.1\r\nHost: kakeai\r\nContent-Length: 9\r\n\r\n{")
        assert peer.recv(100).startswith(b"HTTP/1.1 408 ")


def test_more_at_once_than_the_gateway_bears(start_gateway, model):
    gateway = start_gateway(max_answers=1)
    model.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(generate, gateway)
        assert model.was_asked.acquire(timeout=20)
        second = generate(gateway)
        assert second.status_code == 503
        assert second.headers["retry-after"] == "1"
        assert "1 places for answers" in second.json()["detail"]
        model.may_answer.set()
        assert first.result().is_success
    assert generate(gateway).is_success
