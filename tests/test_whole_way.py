"""From MIDI files to an answer: `kakeai pipeline run`, and sessions with the model that it released."""

import json
import re

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from magenta.models.shared import sequence_generator_bundle
from websockets.sync.client import connect

from cli.stages import COMMANDS as STAGES
from kakeai.music.midi import Track, read_midi, write_midi
from kakeai.music.score import make_notes
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from kakeai.protos.tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from kakeai.store import read_card, versions
from serving.model_server.config import ServedModel
from serving.model_server.server import ModelServer

PHRASE = [
    {"pitch": pitch, "start": 0.25 * i, "end": 0.25 * i + 0.2, "velocity": 90}
    for i, pitch in enumerate([60, 62, 64, 65, 67, 65, 64, 62])
]


def test_each_stage_says_what_it_did_in_a_line(trained):
    words = [line.split()[0] for line in trained.output.splitlines() if line.strip()]
    lines = [word for word in words if word in STAGES]
    assert lines[:5] == ["survey", "ingest", "ingest", "convert", "train"]
    assert sorted(lines[5:7]) == ["bundle", "evaluate"]  # neither waits for the other
    assert lines[7] == "release"
    assert re.search(r"^released: The first model", trained.output, re.MULTILINE)
    assert re.search(
        r"files +tracks +stretches +dropped because +such as *\n( +\d+){3} +notes begin together +\d{4}-",
        trained.output,
    )
    assert "executorInput" not in trained.output
    assert re.search(r"train +100 steps, loss [\d.]+, held out [\d.]+", trained.output)


def test_the_version_is_whole_and_tells_what_it_is(trained):
    assert versions(trained.store, "kakeai") == [1]
    assert {path.name for path in (trained.store / "kakeai").iterdir()} == {"1"}
    card = read_card(trained.store, "kakeai", 1)
    assert (card["name"], card["version"], card["parent"]) == ("kakeai", 1, None)
    assert (card["config"], card["trained_steps"]) == ("lookback_rnn", 100)
    assert card["corpus"]["num_files"] == 60
    assert card["corpus"]["num_training_melodies"] > 30
    assert card["metrics"]["ngram_event_accuracy"] > 0


def test_report_and_bundle_are_for_people_and_for_magenta(trained):
    report = (trained.work / "report.html").read_text()
    assert "<svg" in report
    assert not re.search(r'(?:src|href)="https?:', report)
    bundle = sequence_generator_bundle.read_bundle_file(str(trained.work / "kakeai.mag"))
    assert bundle.generator_details.id == "lookback_rnn"


def test_nothing_is_retrained_when_nothing_changed(trained, kakeai):
    places = ["--corpus", trained.corpus, "--store", trained.store, "--work", trained.work]
    again = kakeai("pipeline", "run", *map(str, places), *trained.settings)
    assert again.returncode == 0, again.stderr
    assert "nothing new since version 1 was trained" in again.stdout
    assert not re.search("^(ingest|convert|train|evaluate|bundle|release) .* s$", again.stdout, re.MULTILINE)
    assert versions(trained.store, "kakeai") == [1]


def test_a_program_plays_over_grpc(trained):
    with ModelServer([ServedModel("kakeai", str(trained.store / "kakeai"))]) as server:
        server.wait_until_available("kakeai", 60)
        request = PredictRequest()
        request.model_spec.name = "kakeai"
        inputs = {
            "melody": np.array([[60, -2, 62, -2]], np.int32),
            "length": np.array([4], np.int32),
            "steps": np.array([16], np.int32),
            "temperature": np.array([1.0], np.float32),
            "seed": np.array([11], np.int64),
        }
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            answers = [PredictionServiceStub(channel).Predict(request, timeout=30) for _ in range(2)]
    melodies = [tf.make_ndarray(answer.outputs["melody"]) for answer in answers]
    assert melodies[0].shape == (1, 16)
    np.testing.assert_array_equal(melodies[0], melodies[1])


def test_a_program_plays_over_http(gateway_url):
    request = {"notes": PHRASE, "qpm": 120, "steps": 32, "seed": 5}
    answers = [httpx.post(f"{gateway_url}/v1/generate", json=request, timeout=30).json() for _ in range(2)]
    assert answers[0] == answers[1]
    [answer] = answers[0]["answers"]
    assert answer["take"]["version"] == 1
    assert all(0 <= note["start"] < note["end"] <= 4.0 for note in answer["notes"])
    models = httpx.get(f"{gateway_url}/v1/models").json()["models"]
    assert [model["name"] for model in models] == ["kakeai"]
    assert models[0]["card"]["corpus"]["num_files"] == 60


def test_magenta_sessions_page_gets_midi_back(gateway_url):
    rows = [(note["pitch"], note["velocity"], note["start"], note["end"]) for note in PHRASE]
    answer = httpx.post(
        f"{gateway_url}/predict?duration=4",
        content=write_midi([Track("melody", make_notes(rows))]),
        headers={"content-type": "audio/midi"},
        timeout=30,
    )
    assert answer.status_code == 200
    assert read_midi(answer.content).total_time <= 2 + 4 + 0.01


def test_a_session_goes_on_over_a_websocket(gateway_url):
    with connect(gateway_url.replace("http", "ws") + "/v1/session") as session:
        session.send(json.dumps({"type": "start", "qpm": 120, "beats_per_bar": 4, "history": []}))
        assert json.loads(session.recv(30))["type"] == "ready"
        for turn in range(2):
            call = {
                "type": "call",
                "turn": turn,
                "bars": 1,
                "answer_bars": 1,
                "notes": PHRASE,
                "temperature": 1.0,
                "seed": turn,
            }
            session.send(json.dumps(call))
            answer = json.loads(session.recv(30))
            assert (answer["type"], answer["turn"]) == ("answer", turn)
            assert all(note["end"] <= 2.001 for note in answer["notes"])


@pytest.mark.parametrize("primer", [["--primer-melody", "[60, -2, 62, -2]"], []])
def test_a_bundle_generates_midi_files(trained, kakeai, tmp_path, primer):
    bundle = trained.work / "kakeai"
    ran = kakeai(
        "generate",
        "--bundle",
        str(bundle),
        *("--num-outputs", "3", "--num-steps", "32", "--qpm", "90", "--output-dir", str(tmp_path)),
        *primer,
    )
    assert ran.returncode == 0, ran.stderr
    scores = [read_midi(path.read_bytes()) for path in sorted(tmp_path.glob("*.mid"))]
    assert len(scores) == 3
    for score in scores:
        assert score.notes["pitch"][0] == 60
        assert score.tempos["qpm"][0] == pytest.approx(90, rel=1e-3)
        assert score.total_time <= 32 / 4 * 60 / 90 + 1e-3


def test_a_midi_file_can_be_the_primer(trained, kakeai, tmp_path):
    tune = sorted(trained.corpus.glob("*.mid"))[0]
    ran = kakeai(
        "generate",
        *("--bundle", str(trained.work / "kakeai.mag"), "--primer-midi", str(tune)),
        *("--num-steps", "1000", "--num-outputs", "1", "--output-dir", str(tmp_path)),
    )
    assert ran.returncode == 0, ran.stderr
    (written,) = tmp_path.glob("*.mid")
    primer, answer = read_midi(tune.read_bytes()), read_midi(written.read_bytes())
    first = 20
    np.testing.assert_array_equal(answer.notes["pitch"][:first], primer.notes["pitch"][:first])
    assert answer.total_time > primer.total_time
