"""POST /v1/generate with MIDI files in and out, forms, and what a client accepts."""

import io
import json

import numpy as np
import pretty_midi
import pytest
from phrases import MIDI, PRIMER, QUARTERS, take_of


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
    take = take_of(response)
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


def test_a_form_with_a_midi_file(gateway, model):
    fields = {"steps": "8", "seed": "3", "dynamics": "flat"}
    files = {"midi": ("tune.mid", MIDI, "audio/midi")}
    response = gateway.client.post("/v1/generate", data=fields, files=files)
    assert response.status_code == 200
    assert model.asked[0].primer == PRIMER
    take = take_of(response)
    assert (take["seed"], take["steps"], take["dynamics"]) == (3, 8, "flat")
    again = gateway.client.post("/v1/generate", data={k: str(v) for k, v in take.items()}, files=files)
    assert again.json() == response.json()

    def post(**parts):
        return gateway.client.post("/v1/generate", **parts)

    assert post(data=fields, files={"tune": ("tune.mid", MIDI)}).json()["field"] == "midi"
    assert post(data={"colour": "blue"}, files=files).json()["field"] == "colour"
    assert post(params={"steps": 8}, files=files).json()["field"] == "query"
    broken = post(content=b"--x\r\n", headers={"Content-Type": "multipart/form-data"})
    assert (broken.status_code, broken.json()["title"]) == (400, "Malformed request")


def test_a_take_is_a_midi_files_query(gateway):

    def post(**query):
        return gateway.client.post(
            "/v1/generate", params=query, content=MIDI, headers={"Content-Type": "audio/midi"}
        )

    first = post(temperature=0.5)
    assert post(**take_of(first)).json() == first.json()


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
