"""Real gateways on loopback, and a real gRPC peer for them that needs no TensorFlow."""

import asyncio
import os
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.gateway import tensorflow_protos as protos
from serving.gateway import tensors
from serving.gateway.app import create_app
from serving.gateway.server import GatewayServer, listen
from serving.gateway.settings import Settings

with warnings.catch_warnings():  # what the oracles' own imports warn of is not ours to mend
    warnings.simplefilter("ignore")
    import note_seq  # noqa: F401
    import pretty_midi  # noqa: F401

WAIT_SECONDS = 20  # for what must happen soon, on however slow a machine


@dataclass(frozen=True)
class Asked:
    """One Predict request as the peer understood it."""

    model: str
    version: int | None
    label: str
    signature: str
    inputs: dict[str, np.ndarray]
    metadata: dict[str, str | bytes]

    @property
    def primer(self) -> list[int]:
        return self.inputs["melody"][0, : self.inputs["length"][0]].tolist()


@dataclass
class StandIn(
    prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer
):
    """A model server whose model plays the primer over again, from its start and as often as needed."""

    address: str = ""
    states: dict[str, dict[int, str]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    failure: tuple[grpc.StatusCode, str] | None = None
    spoil: Callable[[Any], None] = lambda response: None
    may_answer: threading.Event = field(default_factory=threading.Event)
    was_asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def reset(self) -> None:
        self.states = {"kakeai": {1: "END", 3: "AVAILABLE", 2: "AVAILABLE", 4: "LOADING"}}
        self.labels = {}
        self.asked.clear()
        self.failure = None
        self.spoil = lambda response: None
        self.may_answer.set()
        self.was_asked = threading.Semaphore(0)

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = request.model_spec.name
        inputs = {key: tensors.array(value) for key, value in request.inputs.items()}
        spec = request.model_spec
        wanted = spec.version.value if spec.HasField("version") else None
        metadata = {entry.key: entry.value for entry in context.invocation_metadata()}
        self.asked.append(Asked(name, wanted, spec.version_label, spec.signature_name, inputs, metadata))
        self.was_asked.release()
        self.may_answer.wait(WAIT_SECONDS)
        if self.failure:
            context.abort(*self.failure)
        if name not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({name})")
        available = [version for version, state in self.states[name].items() if state == "AVAILABLE"]
        version = self.labels.get(spec.version_label, max(available)) if wanted is None else wanted
        if version not in available:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({name}, {version})"
            )
        response = protos.PredictResponse()
        response.model_spec.name = name
        response.model_spec.version.value = version
        rows, steps = len(inputs["seed"]), int(inputs["steps"][0])
        melody = response.outputs["melody"]  # value by value, as servers may send it
        melody.dtype = protos.DT_INT32
        melody.tensor_shape.dim.add(size=rows)
        melody.tensor_shape.dim.add(size=steps)
        melody.int_val.extend(np.tile(np.resize(self.asked[-1].primer, steps), rows).tolist())
        log_likelihoods = np.full(rows, -0.5 * steps, np.float32)
        response.outputs["log_likelihood"].CopyFrom(tensors.tensor(log_likelihoods))
        self.spoil(response)
        return response

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = request.model_spec.name
        if name not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        response = protos.GetModelStatusResponse()
        label = request.model_spec.version_label
        for version, state in self.states[name].items():
            if label and version != self.labels[label]:
                continue
            response.model_version_status.add(
                version=version, state=protos.ModelVersionStatus.State.Value(state)
            )
        return response

    def serve(self, address: str = "127.0.0.1:0") -> tuple[grpc.Server, str]:
        """A running gRPC server for this model, which ``stop(None)`` ends, and its address."""
        server = grpc.server(ThreadPoolExecutor(8))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(self, server)
        port = server.add_insecure_port(address)
        server.start()
        return server, f"127.0.0.1:{port}"


@dataclass
class Running:
    """A gateway that runs."""

    port: int
    client: httpx.Client

    @property
    def session_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/session"


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    for name in [name for name in os.environ if name.startswith("KAKEAI_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def _model_server() -> Iterator[StandIn]:
    model = StandIn()
    server, model.address = model.serve()
    yield model
    model.may_answer.set()
    server.stop(None).wait()


@pytest.fixture
def model(_model_server: StandIn) -> Iterator[StandIn]:
    """The stand-in model server behind every gateway that is not told otherwise."""
    _model_server.reset()
    yield _model_server
    _model_server.may_answer.set()


@pytest.fixture(scope="session")
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for all gateways of the test run: gRPC's asyncio side wants no second one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _run(loop: asyncio.AbstractEventLoop, settings: Settings) -> tuple[Running, Callable[[], None]]:
    app = create_app(settings)
    server = GatewayServer(app, settings)
    listener = listen(settings)
    port = listener.getsockname()[1]
    listener.listen()
    serving = asyncio.run_coroutine_threadsafe(server.serve([listener]), loop)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS)

    def stop() -> None:
        client.close()
        server.should_exit = True
        serving.result(WAIT_SECONDS)

    return Running(port, client), stop


@pytest.fixture(scope="session")
def _shared_gateway(_loop: asyncio.AbstractEventLoop, _model_server: StandIn) -> Iterator[Running]:
    running, stop = _run(_loop, Settings(model_server=_model_server.address, port=0))
    yield running
    stop()


@pytest.fixture
def gateway(_shared_gateway: Running, model: StandIn) -> Running:
    """A gateway with default settings."""
    return _shared_gateway


@pytest.fixture
def start_gateway(_loop: asyncio.AbstractEventLoop, model: StandIn) -> Iterator[Callable[..., Running]]:
    """Start gateways with settings of one's own."""
    stops: list[Callable[[], None]] = []

    def start(**settings: Any) -> Running:
        running, stop = _run(_loop, Settings(**{"model_server": model.address, "port": 0, **settings}))
        stops.append(stop)
        return running

    yield start
    for stop in stops:
        stop()


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real, tiny SavedModel."""
    from kakeai.model.configs import config_named
    from kakeai.model.network import MelodyRnn
    from kakeai.model.saved_model import export

    folder = tmp_path_factory.mktemp("model") / "saved_model"
    export(MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[8]"), seed=1), folder, "kakeai")
    return folder


@pytest.fixture(scope="session")
def store(saved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with version 1 of the tiny model."""
    store = tmp_path_factory.mktemp("store")
    shutil.copytree(saved_model, store / "kakeai" / "1")
    return store


@pytest.fixture(scope="session")
def real_servers(store: Path) -> Iterator[list[str]]:
    """The addresses of two replicas of a real model server."""
    from serving.model_server.config import All, ServedModel
    from serving.model_server.server import ModelServer

    served = [ServedModel("kakeai", store / "kakeai", All())]
    with ModelServer(served, poll_seconds=0.05) as one, ModelServer(served, poll_seconds=0.05) as other:
        for server in (one, other):
            server.wait_until_available("kakeai", WAIT_SECONDS)
        yield [f"127.0.0.1:{server.port}" for server in (one, other)]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
