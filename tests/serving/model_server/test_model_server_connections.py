"""Settings of the gRPC server, and connections that end when they are old."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from kakeai.protos.tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from serving.model_server.config import ServedModel
from serving.model_server.flags import parser

AGE = {"grpc.max_connection_age_ms": 100, "grpc.max_connection_age_grace_ms": 60_000}


class Service:
    """As a Kubernetes service: it sends each new connection to the newest server, and keeps those that are open."""

    def __init__(self, server: int):
        self.server = server
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._pool = ThreadPoolExecutor(64)
        self._ends: list[socket.socket] = []
        self._pool.submit(self._accept)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server))
                self.connections += 1
                self._ends += [client, server]
                self._pool.submit(self._carry, client, server)
                self._pool.submit(self._carry, server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(2**16):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in [self._listener, *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._pool.shutdown()


@pytest.fixture
def service() -> Iterator:
    made = []

    def make(server: int) -> Service:
        made.append(Service(server))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def start(serve, release, tmp_path):
    """Start a server of one version of "tiny"; its number tells which server answered."""

    def start(number, channel_arguments):
        base = tmp_path / str(number) / "tiny"
        base.mkdir(parents=True)
        release(base, number)
        client = serve(ServedModel("tiny", base), channel_arguments=channel_arguments)
        client.server.wait_until_available("tiny", timeout_seconds=60)
        return client

    return start


def asker(address, pool):
    """A function that asks by one channel, from several threads at once, and returns which versions answered."""
    channel = grpc.insecure_channel(address)
    stub = PredictionServiceStub(channel)
    request = PredictRequest(model_spec={"name": "tiny"})
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones((1, 3), np.float32)))
    request.inputs["k"].CopyFrom(tf.make_tensor_proto(np.ones(1, np.int32)))

    def ask() -> set[int]:
        futures = [pool.submit(stub.Predict, request, timeout=60) for _ in range(8)]
        return {future.result().model_spec.version.value for future in futures}  # a failed call raises here

    return channel, ask


def test_a_server_that_comes_later_gets_requests_of_an_open_channel_and_none_fails(
    start, service, eventually
):
    between = service(start(1, AGE).server.port)
    with ThreadPoolExecutor(8) as pool:
        channel, ask = asker(between.address, pool)
        with channel:
            assert ask() == {1}
            between.server = start(2, AGE).server.port
            eventually(lambda: ask() == {2})
            connections = between.connections
            eventually(lambda: ask() == {2} and between.connections > connections + 3)  # again and again


def test_a_request_that_outlasts_its_connection_ends_within_the_grace(start, service, tmp_path, eventually):
    between = service(start(1, AGE).server.port)
    with ThreadPoolExecutor(9) as pool:
        channel, ask = asker(between.address, pool)
        with channel:
            slow = PredictRequest(model_spec={"name": "tiny", "signature_name": "linger"})
            slow.inputs["path"].CopyFrom(tf.make_tensor_proto([str(tmp_path / "slow")]))
            lingering = PredictionServiceStub(channel).Predict.future(slow, timeout=60)
            eventually((tmp_path / "slow.arrived").exists)
            connections = between.connections
            eventually(lambda: ask() and between.connections > connections)
            assert not lingering.done()
            (tmp_path / "slow.go").touch()
            assert lingering.result().model_spec.version.value == 1


def test_a_setting_given_overrides_the_servers_own(start):
    client = start(1, {"grpc.max_receive_message_length": 1000})
    request = PredictRequest(model_spec={"name": "tiny", "signature_name": "x" * 2000})
    with pytest.raises(grpc.RpcError) as caught:
        client.prediction.Predict(request)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        (
            "grpc.max_connection_age_ms=20000,grpc.max_connection_age_grace_ms=5000",
            {"grpc.max_connection_age_ms": 20000, "grpc.max_connection_age_grace_ms": 5000},
        ),
        ("grpc.primary_user_agent=a=b,", {"grpc.primary_user_agent": "a=b"}),
        ("a=-1,b=2147483648,c=", {"a": -1, "b": "2147483648", "c": ""}),
    ],
)
def test_arguments_are_read_as_tf_serving_reads_them(text, arguments):
    flags = parser().parse_args([f"--grpc_channel_arguments={text}"])
    assert flags.grpc_channel_arguments == arguments


@pytest.mark.parametrize("text", ["20000", "=1", "grpc.max_connection_age_ms:20000"])
def test_what_is_no_key_and_value_is_refused(capsys, text):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args([f"--grpc_channel_arguments={text}"])
    assert f"argument --grpc_channel_arguments: {text} is not KEY=VALUE" in capsys.readouterr().err
