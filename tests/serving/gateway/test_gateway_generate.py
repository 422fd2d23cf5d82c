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


# More than one answer, and other ways to ask


def test_variations_come_from_one_batch_each_with_a_seed_of_its_own(gateway, model):
    answers = _generate(gateway, variations=3, seed=2**53 - 2).json()["answers"]
    assert len(model.asked) == 1
    assert model.asked[0].inputs["seed"].tolist() == [2**53 - 2, 2**53 - 1, 0]
    assert model.asked[0].inputs["melody"].shape == (3, 8)
    assert [answer["take"]["seed"] for answer in answers] == [2**53 - 2, 2**53 - 1, 0]


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        ({}, 32),
        ({"steps": 3}, 3),
        ({"bars": 3}, 48),
        ({"bars": 3, "beats_per_bar": 3}, 36),
        ({"seconds": 2}, 16),
        ({"seconds": 2, "qpm": 90}, 12),
    ],
)
def test_an_answers_length_in_steps_seconds_or_bars(gateway, model, length, steps):
    assert _take(_generate(gateway, **length))["steps"] == steps
    assert model.asked[0].inputs["steps"].tolist() == [steps]


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
    problem = _generate(gateway, **length)
    assert problem.status_code == 422
    assert problem.json().get("field") == field
    assert detail in problem.json()["detail"]


def test_a_phrase_in_events(gateway, model):
    ask = lambda **body: gateway.client.post("/v1/generate", json=body)  # noqa: E731
    response = ask(melody=[60, -2, 62, -1, -2], steps=5)
    assert model.asked[-1].primer == [60, -2, 62, -1, -2]
    assert response.json()["answers"][0]["melody"] == [60, -2, 62, -1, -2]
    assert {note["velocity"] for note in response.json()["answers"][0]["notes"]} == {100}
    ask(melody=[], steps=1)
    assert model.asked[-1].primer == [-2] * 4
    ask(melody=[60, 62, 64], primer_steps=6, steps=1)
    assert model.asked[-1].primer == [60, 62, 64, -2, -2, -2]
    assert ask(melody=[128]).json()["field"] == "melody[0]"
    assert ask(melody=[60], notes=[]).status_code == ask().status_code == 422


def test_of_several_voices_the_answer_says_so(gateway, model):
    bass = {"pitch": 36, "start": 0.0, "end": 1.0, "velocity": 127}
    response = gateway.client.post("/v1/generate", json={"notes": [bass, *QUARTERS], "steps": 8})
    assert response.json()["polyphonic"] is True
    assert model.asked[0].primer == PRIMER
    assert [note["velocity"] for note in response.json()["answers"][0]["notes"]] == [60, 80]


def test_a_form_with_a_midi_file(gateway, model):
    fields = {"steps": "8", "seed": "3", "dynamics": "flat"}
    files = {"midi": ("tune.mid", MIDI, "audio/midi")}
    response = gateway.client.post("/v1/generate", data=fields, files=files)
    assert response.status_code == 200
    assert model.asked[0].primer == PRIMER
    take = _take(response)
    assert (take["seed"], take["steps"], take["dynamics"]) == (3, 8, "flat")
    again = gateway.client.post("/v1/generate", data={k: str(v) for k, v in take.items()}, files=files)
    assert again.json() == response.json()

    post = lambda **parts: gateway.client.post("/v1/generate", **parts)  # noqa: E731
    assert post(data=fields, files={"tune": ("tune.mid", MIDI)}).json()["field"] == "midi"
    assert post(data={"colour": "blue"}, files=files).json()["field"] == "colour"
    assert post(params={"steps": 8}, files=files).json()["field"] == "query"
    broken = post(content=b"--x\r\n", headers={"Content-Type": "multipart/form-data"})
    assert (broken.status_code, broken.json()["title"]) == (400, "Malformed request")


def test_a_take_is_a_midi_files_query(gateway):
    post = lambda **query: gateway.client.post(  # noqa: E731
        "/v1/generate", params=query, content=MIDI, headers={"Content-Type": "audio/midi"}
    )
    first = post(temperature=0.5)
    assert post(**_take(first)).json() == first.json()


def test_variations_as_midi_are_tracks(gateway):
    response = gateway.client.post(
        "/v1/generate",
        json={"notes": QUARTERS, "steps": 8, "variations": 2},
        headers={"Accept": "application/json;q=0.5, audio/midi"},
    )
    played = pretty_midi.PrettyMIDI(io.BytesIO(response.content))
    assert [track.name for track in played.instruments] == ["Kakeai 1", "Kakeai 2"]
    assert len(json.loads(response.headers["kakeai-takes"])) == 2


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("audio/midi;q=0.2, application/json", "application/json"),
        ("audio/midi;q=0, */*;q=0.1", "application/json"),
        ("text/html, audio/x-midi", "audio/midi"),
    ],
)
def test_of_two_kinds_the_one_wanted_more(gateway, accept, kind):
    response = gateway.client.post("/v1/generate", json={"notes": []}, headers={"Accept": accept})
    assert response.headers["content-type"] == kind


def test_a_version_can_be_asked_for(gateway, model):
    assert _take(_generate(gateway, version=2))["version"] == 2
    assert model.asked[-1].version == 2
    missing = _generate(gateway, version=4)  # it is still loading
    assert (missing.status_code, missing.json()["field"]) == (404, "version")
