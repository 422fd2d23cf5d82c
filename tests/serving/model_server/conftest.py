"""A tiny SavedModel, with a signature for each thing that a test needs to see, and real servers of it."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf

from kakeai.protos.tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from kakeai.protos.tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    ModelVersionStatus,
)
from serving.model_server.config import ServedModel
from serving.model_server.server import ModelServer

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


class Tiny(tf.Module):
    """`serving_default` scales; the others show strings, state, and a request that lasts until told."""

    def __init__(self, number: int):
        super().__init__()
        self.number = tf.Variable(number, dtype=tf.int64)
        self.calls = tf.Variable(0, dtype=tf.int64)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="x"),
            tf.TensorSpec([None], tf.int32, name="k"),
        ]
    )
    def scale(self, x, k):
        return {"y": x * tf.cast(k, tf.float32)[:, None], "number": self.number.read_value()}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="words")])
    def shout(self, words):
        return {"words": tf.strings.upper(words)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="by")])
    def count(self, by):
        return {"calls": self.calls.assign_add(by)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="path")])
    def linger(self, path):
        """Write PATH.arrived, then wait for PATH.go."""
        with tf.control_dependencies([tf.io.write_file(path[0] + ".arrived", "")]):
            go = tf.identity(path[0]) + ".go"
        found = tf.while_loop(
            lambda found: tf.equal(found, 0), lambda _: [tf.size(tf.io.matching_files(go))], [0]
        )
        number = self.number.read_value() * tf.cast(found[0], tf.int64)
        return {"number": tf.fill([tf.size(path)], number)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, name="melody"),
            tf.TensorSpec([None], tf.int32, name="length"),
        ]
    )
    def tally(self, melody, length):
        """Sum what counts of each row, tell what came with it, and refuse the batch of a negative length."""
        rows, width = tf.shape(melody)[0], tf.shape(melody)[1]
        with tf.control_dependencies([tf.debugging.assert_non_negative(length, "length is negative")]):
            counts = tf.sequence_mask(length, width, tf.int32)
        return {
            "sum": tf.reduce_sum(melody * counts, axis=1),
            "rows": tf.fill([rows], rows),
            "melody": melody,
        }


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Callable[[int], Path]:
    """The SavedModel folder of Tiny(number), written once a number."""
    root = tmp_path_factory.mktemp("exported")

    def export(number: int) -> Path:
        folder = root / str(number)
        if not folder.exists():
            tiny = Tiny(number)
            signatures = {
                "serving_default": tiny.scale,
                "shout": tiny.shout,
                "count": tiny.count,
                "linger": tiny.linger,
                "tally": tiny.tally,
            }
            tf.saved_model.save(tiny, str(folder), signatures=signatures)
        return folder

    return export


@pytest.fixture(scope="session")
def release(exported) -> Callable[..., Path]:
    """Put a version into a store, whole or not at all, with warm-up requests beside it if there are any."""

    def put(base: Path, number: int, warmup: list[prediction_log_pb2.PredictionLog] | None = None) -> Path:
        aside = base / f".{number}.tmp"
        shutil.copytree(exported(number), aside)
        if warmup is not None:
            (aside / "assets.extra").mkdir()
            with tf.io.TFRecordWriter(str(aside / "assets.extra" / "tf_serving_warmup_requests")) as writer:
                for entry in warmup:
                    writer.write(entry.SerializeToString())
        return aside.rename(base / str(number))

    return put


class Client:
    """A served model server, and its real stubs."""

    def __init__(self, server: ModelServer):
        self.server = server
        self.address = f"127.0.0.1:{server.port}"
        self.channel = grpc.insecure_channel(self.address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def statuses(self, model: str) -> dict[int, ModelVersionStatus]:
        request = GetModelStatusRequest(model_spec={"name": model})
        return {status.version: status for status in self.models.GetModelStatus(request).model_version_status}

    def waiting(self) -> int:
        """Tasks that wait for a thread."""
        return sum(len(batch.tasks) for queue in self.server._scheduler._queues for batch in queue._batches)

    def states(self, model: str) -> dict[int, str]:
        return {
            number: ModelVersionStatus.State.Name(status.state)
            for number, status in self.statuses(model).items()
        }


def eventually(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture() -> Callable[[Callable[[], object]], None]:
    return eventually


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Start a server of a test's own; it stops when the test ends."""
    clients: list[Client] = []

    def start(*models: ServedModel, poll_seconds: float = POLL_SECONDS, **options: Any) -> Client:
        server = ModelServer(models, poll_seconds=poll_seconds, **options)
        server.start()
        clients.append(Client(server))
        return clients[-1]

    yield start
    for client in clients:
        client.channel.close()
        client.server.stop(grace_seconds=0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, release) -> Iterator[Client]:
    """One server for a whole module: model "tiny", versions 1 and 3, label "stable" on 1."""
    from serving.model_server.config import All

    base = tmp_path_factory.mktemp("store") / "tiny"
    base.mkdir()
    release(base, 1)
    release(base, 3)
    (base / "notes").mkdir()  # no version
    (base / "7").write_text("a file is no version")
    model = ServedModel("tiny", base, All(), {"stable": 1, "gone": 2})
    with ModelServer([model], poll_seconds=POLL_SECONDS) as server:
        client = Client(server)
        eventually(lambda: client.states("tiny") == {3: "AVAILABLE", 1: "AVAILABLE"})
        yield client
        client.channel.close()
