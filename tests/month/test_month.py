"""A month of nightly retraining in a bucket, with a player who is never let down.

Nights of nothing, of bad files, of poison, of new tunes; an operator who rolls back; and a night in which the machine
dies after every stage and in the middle of a release. In the end the store is whole, and every version says why.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kakeai import store as model_store
from kakeai.judging.champion_scores import fetched, log_likelihoods
from kakeai.manifest import read_manifest
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from kakeai.protos.tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    ModelVersionStatus,
)
from kakeai.protos.tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from kakeai.protos.tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from kakeai.storage import location

ROOT = Path(__file__).parents[2]
MODEL = "kakeai"
STAGES = ("survey", "ingest", "convert", "train", "evaluate", "bundle", "release")
HPARAMS = "batch_size=16,rnn_layer_sizes=[16],learning_rate=0.03,dropout_keep_prob=1.0"
SHORT = {"hparams": HPARAMS, "num_training_steps": 300, "seed": 0}
LONGER = {**SHORT, "num_training_steps": 700}
PATIENCE_SECONDS = 240
ANSWER_STEPS = 16


class Nights:
    """The nightly retraining of one corpus into one store."""

    def __init__(self, bucket, work):
        self.bucket = bucket
        self.corpus, self.store = bucket.folder(), bucket.folder()
        self._work = work
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("nightly.py")],
            cwd=ROOT,
            env=os.environ | bucket.environment | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0

    def run(self, recipe, die_after=""):
        """What the night came to; None if it was killed. One that fails fails the test."""
        self.begin(recipe, die_after)
        return self.end()

    def begin(self, recipe, die_after=""):
        order = {"work": str(self._work), "corpus": self.corpus, "store": self.store, "recipe": recipe}
        self._process.stdin.write(json.dumps({**order, "die_after": die_after}) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())

    def end(self):
        said = ""
        while not (line := self._process.stdout.readline()).startswith("exit status"):
            assert line, "the nights' process is gone"
            said = line
        status = int(line.split()[-1])
        if status == -signal.SIGKILL:
            return None
        assert status == 0, "the night failed; what it said of that is above"
        return json.loads(said)

    def close(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()


class Player(threading.Thread):
    """Asks a model server for one answer after the other until told to stop, and notes what is wrong with any."""

    def __init__(self, address):
        super().__init__()
        self._address = address
        self._heard = threading.Condition()
        self._stopping = False
        self.versions: list[int] = []  # each as it came to play
        self.answers = 0
        self.wrong: list[str] = []

    def run(self):
        request = PredictRequest()
        request.model_spec.name = MODEL
        with grpc.insecure_channel(self._address) as channel:
            predict = PredictionServiceStub(channel).Predict
            while not self._stopping:
                inputs = {
                    "melody": np.array([[60, -2, 62, -2]], np.int32),
                    "length": np.array([4], np.int32),
                    "steps": np.array([ANSWER_STEPS], np.int32),
                    "temperature": np.array([1.0], np.float32),
                    "seed": np.array([self.answers], np.int64),
                }
                for name, value in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                try:
                    answer = predict(request, timeout=10)
                    melody = tf.make_ndarray(answer.outputs["melody"])
                    assert melody.shape == (1, ANSWER_STEPS)
                    assert ((melody >= -2) & (melody <= 127)).all()
                except (grpc.RpcError, AssertionError) as error:
                    self.wrong.append(repr(error))
                    continue
                with self._heard:
                    self.answers += 1
                    version = answer.model_spec.version.value
                    if version not in self.versions[-1:]:
                        self.versions.append(version)
                    self._heard.notify_all()

    def hears(self, version):
        """Wait until that version plays."""
        with self._heard:
            assert self._heard.wait_for(lambda: version in self.versions[-1:], PATIENCE_SECONDS), self.wrong

    def stop(self):
        self._stopping = True
        self.join()


@pytest.fixture
def nights(bucket, tmp_path):
    nights = Nights(bucket, tmp_path)
    yield nights
    nights.close()


@pytest.fixture
def model_server(nights, bucket, tmp_path):
    """The address of a model server of the nights' store."""
    (tmp_path / "copies").mkdir()
    server = subprocess.Popen(
        f"{sys.executable} -m serving.model_server --port=0 --model_name={MODEL} "
        f"--model_base_path={nights.store}/{MODEL} --file_system_poll_wait_seconds=0.5".split(),
        cwd=ROOT,
        env=os.environ | bucket.environment | {"TMPDIR": str(tmp_path / "copies")},
        stderr=subprocess.PIPE,
        text=True,
    )
    listening = next(found for line in server.stderr if (found := re.search(r"Listening on (\S+)", line)))
    said = threading.Thread(target=server.stderr.read)  # so that it never waits for a reader
    said.start()
    yield listening[1]
    server.terminate()
    server.wait(PATIENCE_SECONDS)
    said.join()
    server.stderr.close()


def noise(seed):
    """A file of random notes."""
    rng = np.random.default_rng(seed)
    rows = [(int(rng.integers(50, 80)), 90, 0.125 * i, 0.125 * (i + 1)) for i in range(256)]
    return write_midi([Track("melody", make_notes(rows))])


@pytest.mark.month
@pytest.mark.timeout(900)
def test_a_month(nights, model_server, bucket, tmp_path):
    from cli.oneills import oneills

    oneills(tmp_path / "tunes", 200)
    tunes = sorted((tmp_path / "tunes").glob("*.mid"))

    def add(those):
        for path in those:
            bucket.put(f"{nights.corpus}/{path.name}", path.read_bytes())

    # 1: the first model.
    add(tunes[:110])
    first = nights.run(SHORT)
    assert (first["verdict"], first["version"]) == ("release", 1), first
    player = Player(model_server)
    wait_until_served(model_server)
    player.start()
    try:
        a_month_after_the_first(nights, player, bucket, tunes, add)
    finally:
        player.stop()
    assert player.wrong == []
    assert player.versions == model_store.versions(location(nights.store), MODEL)  # each, in turn
    assert player.answers > 100
    store_is_whole_and_explains_itself(nights, bucket)


def a_month_after_the_first(nights, player, bucket, tunes, add):
    recipe = SHORT
    # 2, 3: nothing.
    for _ in (2, 3):
        assert nights.run(recipe)["verdict"] == "unchanged"
    # 4: files that are none; whatever is made of the rest is no better.
    for name, content in {
        "empty.mid": b"",
        "noise.mid": b"MThd" + bytes(99),
        "half.mid": tunes[-1].read_bytes()[:20],
    }.items():
        bucket.put(f"{nights.corpus}/{name}", content)
    bad = nights.run(recipe)
    assert bad["verdict"] == "keep", bad
    assert bad["rejected"] >= 2
    # 5, 6, 7: nothing new since, and nothing is made anew.
    for _ in (5, 6, 7):
        assert nights.run(recipe) == bad
    # 8: somebody fills the corpus with noise. 9: it is still there.
    for number in range(150):
        bucket.put(f"{nights.corpus}/noise-{number}.mid", noise(number))
    poisoned = nights.run(recipe)
    assert poisoned["verdict"] == "refuse", poisoned
    assert "no more than random notes" in poisoned["sentence"]
    assert nights.run(recipe) == poisoned
    # 10: the noise is gone, tunes came in, and training lasts longer.
    for number in range(150):
        bucket.remove(f"{nights.corpus}/noise-{number}.mid")
    add(tunes[110:150])
    recipe = LONGER
    better = nights.run(recipe)
    assert (better["verdict"], better["version"]) == ("release", 2), better
    player.hears(2)
    # 11 to 14: nothing.
    for _ in range(11, 15):
        assert nights.run(recipe)["verdict"] == "unchanged"
    # 15: players do not like it. The next nights do not bring it back.
    store = location(nights.store)
    assert model_store.rollback(store, MODEL, "Ada", "players turn it off") == 3
    player.hears(3)
    for _ in range(15, 20):
        again = nights.run(recipe)
        assert again["verdict"] == "refuse", again
        assert "Ada" in again["sentence"]
    # 20: new tunes, and a machine that dies after every stage, and in the middle of the release.
    add(tunes[150:])
    for stage in STAGES[:-1]:
        assert nights.run(recipe, die_after=stage) is None
        assert model_store.versions(store, MODEL) == [1, 2, 3]
    copies = []

    def die(call):
        copies.append("/copyTo/" in call.path)
        if sum(copies) == 3:
            os.kill(nights.pid, signal.SIGKILL)

    with bucket.answering(die):
        assert nights.run(recipe) is None
    assert sum(copies) >= 3
    assert model_store.versions(store, MODEL) == [1, 2, 3]
    assert any(name.startswith(".4/") for name in bucket.names(f"{nights.store}/{MODEL}"))
    assert nights.run(recipe, die_after="release") is None  # after all was done
    finished = nights.run(recipe)
    assert finished["verdict"] == "unchanged"
    player.hears(model_store.champion(store, MODEL))
    # 21 to 30: nothing.
    for _ in range(21, 31):
        assert nights.run(recipe)["verdict"] == "unchanged"


def wait_until_served(address):
    """Ask for the model's state until a version of it plays."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with grpc.insecure_channel(address) as channel:
        status = ModelServiceStub(channel).GetModelStatus
        while True:
            assert time.monotonic() < deadline, "no version was served in time"
            with suppress(grpc.RpcError):
                answer = status(GetModelStatusRequest(model_spec={"name": MODEL}), timeout=10)
                if any(each.state == ModelVersionStatus.AVAILABLE for each in answer.model_version_status):
                    return
            time.sleep(0.05)


def store_is_whole_and_explains_itself(nights, bucket):
    store = location(nights.store)
    names = bucket.names(f"{nights.store}/{MODEL}")
    numbers = model_store.versions(store, MODEL)
    assert len(numbers) == 4
    assert {name.split("/")[0] for name in names} == {str(number) for number in numbers}  # and no debris
    for number in numbers:
        card = model_store.read_card(store, MODEL, number)
        assert card["version"] == number
        assert card["decision"]["verdict"] == "release"
        assert card["decision"]["sentence"]
        assert card["recipe"] in (SHORT, LONGER)
        elders = [each["version"] for each in model_store.lineage(store, MODEL, number)]
        assert (elders[0], elders[-1]) == (number, 1)
        weights = model_store.bundle_path(store, MODEL, number).read_bytes()
        assert hashlib.sha256(weights).hexdigest() == card["bundle_sha256"]
        files = list(read_manifest(store / MODEL / str(number) / model_store.MANIFEST))
        assert len(files) >= card["corpus"]["num_files"]
        assert not any(row.file.startswith("noise-") for row in files)
        with fetched(nights.store, MODEL, number) as version:
            assert np.isfinite(log_likelihoods(version, [np.array([60, -2, 62, -2], np.int8)])).all()
    cards = [model_store.read_card(store, MODEL, number) for number in numbers]
    assert cards[2]["bundle_sha256"] == cards[0]["bundle_sha256"] != cards[1]["bundle_sha256"]
    assert (cards[2]["promoted_by"], cards[2]["promoted_because"]) == ("Ada", "players turn it off")
