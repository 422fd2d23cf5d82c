"""Real gateways on loopback, and a real gRPC peer for them that needs no TensorFlow."""

import asyncio
import os
import shutil
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import stand_in
from stand_in import StandIn

from serving.gateway.app import create_app
from serving.gateway.server import GatewayServer, listen
from serving.gateway.settings import Settings

with warnings.catch_warnings():  # what the oracles' own imports warn of is not ours to mend
    warnings.simplefilter("ignore")
    import note_seq  # noqa: F401
    import pretty_midi  # noqa: F401

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")

WAIT_SECONDS = 20  # for what must happen soon, on however slow a machine


@dataclass
class Running:
    """A gateway that runs."""

    port: int
    client: httpx.Client
    operations: httpx.Client | None = None  # at the port for operators, where there is one

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
def gateway_loop() -> Iterator[asyncio.AbstractEventLoop]:
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
    listeners = [listen(settings)]
    if settings.operations_port is not None:
        listeners.append(listen(settings, "operations_port"))
    for listener in listeners:
        listener.listen()
    port, *operations = [listener.getsockname()[1] for listener in listeners]
    server = GatewayServer(app, settings, *operations)
    serving = asyncio.run_coroutine_threadsafe(server.serve(listeners), loop)
    clients = [
        httpx.Client(base_url=f"http://127.0.0.1:{number}", timeout=WAIT_SECONDS)
        for number in (port, *operations)
    ]

    def stop() -> None:
        for client in clients:
            client.close()
        server.should_exit = True
        serving.result(WAIT_SECONDS)

    return Running(port, *clients), stop


@pytest.fixture(scope="session")
def _shared_gateway(gateway_loop: asyncio.AbstractEventLoop, _model_server: StandIn) -> Iterator[Running]:
    running, stop = _run(gateway_loop, Settings(model_server=_model_server.address, port=0))
    yield running
    stop()


@pytest.fixture
def gateway(_shared_gateway: Running, model: StandIn) -> Running:
    """A gateway with default settings."""
    return _shared_gateway


@pytest.fixture
def start_gateway(
    gateway_loop: asyncio.AbstractEventLoop, model: StandIn
) -> Iterator[Callable[..., Running]]:
    """Start gateways with settings of one's own."""
    stops: list[Callable[[], None]] = []

    def start(**settings: Any) -> Running:
        running, stop = _run(gateway_loop, Settings(**{"model_server": model.address, "port": 0, **settings}))
        stops.append(stop)
        return running

    yield start
    for stop in stops:
        stop()


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real, tiny SavedModel."""
    from kakeai.model.configs import config_named
    from kakeai.model.network.melody_rnn import MelodyRnn
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
def stand_in_file() -> Path:
    """What Python runs as a stand-in model server in a process of its own."""
    return Path(stand_in.__file__)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
