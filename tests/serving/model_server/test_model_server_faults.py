"""Clients that hang, vanish and lie: each is told what is wrong, and the others are served."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from serving.model_server.client import PredictError, predict
from serving.model_server.config import ServedModel

INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


@pytest.fixture
def busy(serve, release, tmp_path):
    """Start a server of version 1 with room for few."""

    def start(**options):
        base = tmp_path / "store" / "tiny"
        base.mkdir(parents=True)
        release(base, 1)
        client = serve(ServedModel("tiny", base), **options)
        client.server.wait_until_available("tiny", timeout_seconds=60)
        return client

    return start


def linger(client, path, timeout_seconds=60.0):
    inputs = {"path": np.array([str(path).encode()], object)}
    return predict(client.address, "tiny", inputs, "linger", timeout_seconds=timeout_seconds)


def serves(client):
    return predict(client.address, "tiny", INPUTS)["number"] == 1


def test_a_run_is_stopped_at_its_deadline(busy, tmp_path):
    client = busy(max_runs=1)
    with pytest.raises(PredictError, match="DEADLINE_EXCEEDED"):
        linger(client, tmp_path / "endless", timeout_seconds=1.0)
    assert (tmp_path / "endless.arrived").exists()  # it ran, and would do so for ever
    assert serves(client)  # in the only thread


def test_more_requests_than_there_is_room_for_are_refused_and_health_is_still_told(
    busy, tmp_path, eventually
):
    client = busy(max_predicts=2, max_runs=1)
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(linger, client, tmp_path / "slow") for _ in range(2)]  # one runs, one waits
        eventually(client.waiting)
        with pytest.raises(PredictError, match=r"Server Threadpool Exhausted \(RESOURCE_EXHAUSTED\)"):
            serves(client)
        health = health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        assert client.states("tiny") == {1: "AVAILABLE"}
        (tmp_path / "slow.go").touch()
        assert all(request.result()["number"] == 1 for request in slow)
    assert serves(client)


def test_a_thousand_requests_that_are_called_off(busy, tmp_path, eventually):
    client = busy(max_runs=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(linger, client, tmp_path / "slow")
        eventually((tmp_path / "slow.arrived").exists)
        message = PredictRequest(model_spec={"name": "tiny", "signature_name": "count"})
        message.inputs["by"].dtype = 9  # DT_INT64
        message.inputs["by"].tensor_shape.SetInParent()
        message.inputs["by"].int64_val.append(1)
        for _ in range(1000):
            client.prediction.Predict.future(message).cancel()
        (tmp_path / "slow.go").touch()
        slow.result()
    counted = predict(client.address, "tiny", {"by": np.int64(1)}, signature="count")["calls"]
    assert counted < 100  # all but those that slipped through before they were called off
    assert client.waiting() == 0


def test_a_thousand_clients_that_vanish(busy, eventually):
    client = busy()
    assert serves(client)
    host, port = client.address.split(":")
    threads, files = threading.active_count(), open_files()
    for number in range(1000):
        with socket.create_connection((host, int(port))) as vanishing:
            vanishing.sendall(
                (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00")[number % 3]
            )
    assert serves(client)
    eventually(lambda: open_files() <= files + 10)
    assert threading.active_count() <= threads + 10


def open_files() -> int:
    folder = Path("/dev/fd")
    return len(os.listdir(folder))
