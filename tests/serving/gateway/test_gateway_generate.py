"""POST /v1/generate, over a real socket and a real gRPC channel."""

import io
import json
import re
import socket
from collections import deque
from itertools import count

import grpc
import numpy as np
import pretty_midi
import pytest

from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from serving.gateway import tensors
from serving.gateway.tensors import tensor

QUARTERS = [
    {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 60},
    {"pitch": 64, "start": 0.5, "end": 1.0, "velocity": 80},
]
PRIMER = [60, -2, -2, -2, 64, -2, -2, -2]
MIDI = write_midi(
    [
        Track("melody", make_notes([(60, 60, 0.0, 0.75), (64, 80, 0.75, 1.5)])),
        Track("bass", make_notes([(36, 100, 0.0, 0.75)])),
    ],
    qpm=80.0,
)


def _generate(gateway, **body):
    return gateway.client.post("/v1/generate", json={"notes": QUARTERS, **body})


def _take(response):
    return response.json()["answers"][0]["take"]


def test_a_phrase_is_answered(gateway, model):
    response = _generate(gateway, steps=10, temperature=0.75, seed=2**53 - 1)
    assert response.status_code == 200
    assert response.json() == {
        "qpm": 120.0,
        "polyphonic": False,
        "answers": [
            {
                "notes": [
                    {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 60},
                    {"pitch": 64, "start": 0.5, "end": 1.0, "velocity": 80},
                    {"pitch": 60, "start": 1.0, "end": 1.25, "velocity": 60},
                ],
                "melody": [*PRIMER, 60, -2],
                "log_likelihood": -5.0,
                "take": {
                    "model": "kakeai",
                    "version": 3,
                    "seed": 2**53 - 1,
                    "temperature": 0.75,
                    "steps": 10,
                    "qpm": 120.0,
                    "primer_steps": 8,
                    "dynamics": "follow",
                },
            }
        ],
    }


def test_the_model_gets_what_its_signature_wants(gateway, model):
    _generate(gateway, steps=10, temperature=0.75, seed=7, model="kakeai")
    asked = model.asked[0]
    assert (asked.model, asked.signature) == ("kakeai", "generate")
    expected = {
        "melody": np.array([PRIMER], np.int32),
        "length": np.array([8], np.int32),
        "steps": np.array([10], np.int32),
        "temperature": np.array([0.75], np.float32),
        "seed": np.array([7], np.int64),
    }
    assert asked.inputs.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(asked.inputs[name], array, strict=True)


def test_a_seed_is_drawn_and_told(gateway, model):
    seeds = [_take(_generate(gateway))["seed"] for _ in range(3)]
    assert [int(asked.inputs["seed"][0]) for asked in model.asked] == seeds
    assert len(set(seeds)) == 3


def test_tempo_and_length_of_the_call(gateway, model):
    _generate(gateway, qpm=60, primer_steps=6)
    assert model.asked[0].primer == [60, -2, 64, -2, -1, -2]
    assert _generate(gateway, qpm=60, steps=2).json()["answers"][0]["notes"][0]["end"] == 0.5


def test_an_empty_phrase_is_answered(gateway, model):
    response = gateway.client.post("/v1/generate", json={"notes": []})
    assert response.status_code == 200
    assert model.asked[0].primer == [-2] * 4


def test_of_a_long_phrase_the_model_hears_the_end(gateway, model):
    notes = [{"pitch": n % 100, "start": n * 0.125, "end": (n + 1) * 0.125} for n in range(600)]
    assert gateway.client.post("/v1/generate", json={"notes": notes}).status_code == 200
    assert model.asked[0].primer == [n % 100 for n in range(88, 600)]


def test_midi_in(gateway, model):
    response = gateway.client.post(
        "/v1/generate",
        params={"steps": 8, "seed": 3, "temperature": 0.5},
        content=MIDI,
        headers={"Content-Type": "audio/midi"},
    )
    assert response.status_code == 200
    assert model.asked[0].primer == PRIMER  # the top voice, at the file's own tempo
    answer = response.json()
    assert answer["qpm"] == pytest.approx(80)
    assert answer["polyphonic"] is True
    take = _take(response)
    assert (take["seed"], take["temperature"], take["steps"], take["primer_steps"]) == (3, 0.5, 8, 8)


def test_midi_out(gateway):
    response = gateway.client.post(
        "/v1/generate",
        json={"notes": QUARTERS, "qpm": 90, "steps": 8, "seed": 3},
        headers={"Accept": "audio/midi"},
    )
    assert response.headers["content-type"] == "audio/midi"
    assert [take["seed"] for take in json.loads(response.headers["kakeai-takes"])] == [3]
    assert response.headers["kakeai-polyphonic"] == "false"
    played = pretty_midi.PrettyMIDI(io.BytesIO(response.content))
    assert played.get_tempo_changes()[1].tolist() == pytest.approx([90])
    notes = [(note.pitch, note.start, note.end) for note in played.instruments[0].notes]
    np.testing.assert_allclose(notes, [(60, 0, 0.5), (64, 0.5, 1.0)], atol=1e-3)


def _note(**changes):
    return {"notes": [QUARTERS[0], {**QUARTERS[1], **changes}]}


@pytest.mark.parametrize(
    ("body", "status", "field", "detail"),
    [
        ("{", 400, None, "not JSON"),
        ('{"notes": []} {}', 400, None, "not JSON"),
        (b"\xff", 400, None, "not JSON"),
        ("[" * 100_000, 400, None, "not JSON"),
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
        ({"notes": [], "primer_steps": 10**9}, 422, "primer_steps", "28800"),
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
    ("query", "content", "field", "detail"),
    [
        ({}, b"no MIDI", None, "is no MIDI file"),
        ({}, MIDI[:-9], None, "cut short"),
        ({"steps": "many"}, MIDI, "steps", "integer"),
        ({"colour": "blue"}, MIDI, "colour", "not a field"),
        ({"qpm": "nan"}, MIDI, "qpm", "finite"),
    ],
)
def test_bad_midi_requests_name_the_field(gateway, query, content, field, detail):
    response = gateway.client.post(
        "/v1/generate", params=query, content=content, headers={"Content-Type": "audio/midi"}
    )
    assert response.status_code == 422
    assert response.json().get("field") == field
    assert detail in response.json()["detail"]


def test_kinds_that_nobody_reads_or_writes(gateway):
    response = gateway.client.post("/v1/generate", content="notes: []", headers={"Content-Type": "text/yaml"})
    assert (response.status_code, response.json()["field"]) == (415, "Content-Type")
    response = gateway.client.post("/v1/generate", json={"notes": []}, headers={"Accept": "image/png"})
    assert (response.status_code, response.json()["field"]) == (406, "Accept")
    browser = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert gateway.client.post("/v1/generate", json={"notes": []}, headers={"Accept": browser}).is_success


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


@pytest.mark.parametrize(
    ("code", "words", "status", "detail"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "no such pitch\nat node_42 in graph.py", 422, "no such pitch"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue full", 503, "no room"),
        (grpc.StatusCode.FAILED_PRECONDITION, "Serving signature key not found", 502, "failed"),
        (grpc.StatusCode.INTERNAL, "Traceback: secrets.py", 502, "failed"),
    ],
)
def test_what_the_model_server_says_becomes_a_problem(gateway, model, code, words, status, detail):
    model.failure = (code, words)
    response = _generate(gateway)
    assert response.status_code == status
    assert detail in response.json()["detail"]
    assert not re.search(r"Traceback|graph\.py|node_42", response.text)


def _wrong_length(response):
    response.outputs["melody"].CopyFrom(tensor(np.zeros((1, 3), np.int32)))


def _no_melody(response):
    del response.outputs["melody"]


def _no_events(response):
    response.outputs["melody"].int_val[0] = 128


def _not_finite(response):
    response.outputs["log_likelihood"].CopyFrom(tensor(np.array([np.nan], np.float32)))


@pytest.mark.parametrize("spoil", [_wrong_length, _no_melody, _no_events, _not_finite])
def test_an_answer_that_is_no_melody(gateway, model, spoil):
    model.spoil = spoil
    response = _generate(gateway)
    assert response.status_code == 502
    assert "no melody" in response.json()["detail"]


def test_an_answer_from_a_batch_with_a_longer_one(gateway, model):
    alone = _generate(gateway).json()

    def widen(response):
        melody = tensors.array(response.outputs["melody"])
        response.outputs["melody"].CopyFrom(tensor(np.pad(melody, [(0, 0), (0, 9)], constant_values=-2)))

    model.spoil = widen
    batched = _generate(gateway).json()
    assert [answer["notes"] for answer in batched["answers"]] == [a["notes"] for a in alone["answers"]]


def test_a_model_server_that_is_too_slow(start_gateway, model):
    gateway = start_gateway(predict_seconds=0.05)
    model.may_answer.clear()
    response = _generate(gateway)
    assert response.status_code == 504
    assert response.json()["title"] == "Model server too slow"


def test_a_model_server_that_goes_and_comes_back(start_gateway, model):
    server, address = model.serve()
    gateway = start_gateway(model_server=address)
    assert _generate(gateway).is_success
    server.stop(None).wait()
    response = _generate(gateway)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["title"] == "Model server unavailable"

    server, _ = model.serve(address)
    while not (response := _generate(gateway)).is_success:  # the test's own time limit ends this
        assert response.status_code == 503
    server.stop(None).wait()


def test_more_at_once_than_the_gateway_bears(start_gateway, model):
    from concurrent.futures import ThreadPoolExecutor

    gateway = start_gateway(max_answers=1)
    model.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(_generate, gateway)
        assert model.was_asked.acquire(timeout=20)
        second = _generate(gateway)
        assert second.status_code == 503
        assert second.headers["retry-after"] == "1"
        assert "1 places for answers" in second.json()["detail"]
        model.may_answer.set()
        assert first.result().is_success
    assert _generate(gateway).is_success
