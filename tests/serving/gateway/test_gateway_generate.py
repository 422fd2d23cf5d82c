"""POST /v1/generate, over a real socket and a real gRPC channel."""

import numpy as np
import pytest
from phrases import PRIMER, QUARTERS, generate, take_of


def test_a_phrase_is_answered(gateway, model):
    response = generate(gateway, steps=10, temperature=0.75, seed=2**53 - 1)
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
    generate(gateway, steps=10, temperature=0.75, seed=7, model="kakeai")
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
    seeds = [take_of(generate(gateway))["seed"] for _ in range(3)]
    assert [int(asked.inputs["seed"][0]) for asked in model.asked] == seeds
    assert len(set(seeds)) == 3


def test_tempo_and_length_of_the_call(gateway, model):
    generate(gateway, qpm=60, primer_steps=6)
    assert model.asked[0].primer == [60, -2, 64, -2, -1, -2]
    assert generate(gateway, qpm=60, steps=2).json()["answers"][0]["notes"][0]["end"] == 0.5


def test_an_empty_phrase_is_answered(gateway, model):
    response = gateway.client.post("/v1/generate", json={"notes": []})
    assert response.status_code == 200
    assert model.asked[0].primer == [-2] * 4


def test_of_a_long_phrase_the_model_hears_the_end(gateway, model):
    notes = [{"pitch": n % 100, "start": n * 0.125, "end": (n + 1) * 0.125} for n in range(600)]
    assert gateway.client.post("/v1/generate", json={"notes": notes}).status_code == 200
    assert model.asked[0].primer == [n % 100 for n in range(88, 600)]


def test_variations_come_from_one_batch_each_with_a_seed_of_its_own(gateway, model):
    answers = generate(gateway, variations=3, seed=2**53 - 2).json()["answers"]
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
    assert take_of(generate(gateway, **length))["steps"] == steps
    assert model.asked[0].inputs["steps"].tolist() == [steps]


def test_a_phrase_in_events(gateway, model):

    def ask(**body):
        return gateway.client.post("/v1/generate", json=body)

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


def test_a_version_can_be_asked_for(gateway, model):
    assert take_of(generate(gateway, version=2))["version"] == 2
    assert model.asked[-1].version == 2
    missing = generate(gateway, version=4)  # it is still loading
    assert (missing.status_code, missing.json()["field"]) == (404, "version")
