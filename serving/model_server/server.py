"""The model server: a gRPC port, and the models behind it."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.catalogue import Catalogue
from serving.model_server.config import ServedModel, check_names
from serving.model_server.config_follower import ConfigFollower
from serving.model_server.metrics import Metrics
from serving.model_server.monitoring import MonitoringServer
from serving.model_server.port import check_free
from serving.model_server.scheduler import PROCESSORS, Scheduler
from serving.model_server.servable import Servable
from serving.model_server.services import ModelService, PredictionService
from serving.model_server.watcher import StoreWatcher

MAX_MESSAGE_BYTES = 256 * 2**20  # gRPC's own limit of 4 MiB is less than a batch of pictures
CHANNEL_ARGUMENTS = {
    "grpc.so_reuseport": 0,  # a second server on the port is an error, not a partner
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
}

# Predict requests that run or wait. tensorflow_model_server has four a processor, which leaves a batch of 64
# unfilled; a thread that waits costs little here.
PREDICT_THREADS = 128
OTHER_THREADS = 8  # for health and status, which answer however many Predict requests wait
MAX_CALLS = 1000  # of all kinds; a call beyond is refused by gRPC before its message is read

RUNS_PER_PROCESSOR = 4  # so that one long answer does not keep all short ones waiting

log = logging.getLogger(__name__)


class ModelServer:
    """Serves models over TF Serving's gRPC API; a context manager that starts and stops it.

    It listens from `start` on and answers UNAVAILABLE for a model until the first version of it is loaded.
    """

    def __init__(
        self,
        models: Sequence[ServedModel],
        port: int = 0,
        host: str = "127.0.0.1",
        poll_seconds: float = 1.0,
        batching: BatchingParameters | None = None,
        max_predicts: int = PREDICT_THREADS,
        max_runs: int = RUNS_PER_PROCESSOR * PROCESSORS,
        channel_arguments: Mapping[str, int | str] | None = None,
    ) -> None:
        """Begin with nothing loaded.

        Args:
            models: What to serve.
            port: 0 takes a free one.
            host: Address to listen on.
            poll_seconds: Between searches of the stores; 0: at the start only.
            batching: How requests share runs; None: each runs by itself.
            max_predicts: Predict requests that run or wait at once; one beyond is told RESOURCE_EXHAUSTED.
            max_runs: Requests that run at once if they are not batched.
            channel_arguments: Settings of the gRPC server by key; they override `CHANNEL_ARGUMENTS`.

        Raises:
            KakeaiError: Two models have one name.
        """
        check_names(models)
        self._host = host
        self._port = port
        self._health = health.HealthServicer()
        self._tell_health(available=not models)
        self._metrics = Metrics()
        self._catalogue = Catalogue(models, on_change=self._tell_health)
        self._scheduler = Scheduler(batching.num_batch_threads if batching else max_runs)
        self._watcher = StoreWatcher(
            self._catalogue,
            lambda name, folder: Servable(name, folder, self._scheduler, batching, self._metrics),
            poll_seconds,
            self._metrics,
        )
        self._max_predicts = max_predicts
        self._channel_arguments = dict(channel_arguments or {})
        self._threads = ThreadPoolExecutor(max_predicts + OTHER_THREADS, thread_name_prefix="request")
        self._server: grpc.Server | None = None
        self._follower: ConfigFollower | None = None
        self._monitoring: MonitoringServer | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._port

    def start(self) -> None:
        """Listen and begin to load. Raises KakeaiError if the port cannot be had."""
        server = grpc.server(
            self._threads,
            maximum_concurrent_rpcs=MAX_CALLS + self._max_predicts,
            options=list((CHANNEL_ARGUMENTS | self._channel_arguments).items()),
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._catalogue, self._max_predicts, self._metrics), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._catalogue, self._watcher), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        services = (
            prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name,
            model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
            health.SERVICE_NAME,
            reflection.SERVICE_NAME,
        )
        reflection.enable_server_reflection(services, server)
        self._port = _listen(server, self._host, self._port)
        server.start()
        self._server = server
        self._scheduler.start()
        self._watcher.start()
        log.info("Listening on %s:%d", self._host, self._port)

    def wait_until_available(self, name: str, timeout_seconds: float) -> None:
        """Return once a version of the model is served.

        Raises KakeaiError, saying what is missing, if that takes longer or no version that is there can be
        loaded.
        """
        self._catalogue.wait_until_available(name, timeout_seconds)

    def follow(self, config_file: Path, poll_seconds: float) -> None:
        """Serve from now on what a ModelServerConfig file names, read every `poll_seconds`."""
        self._follower = ConfigFollower(config_file, poll_seconds, self._reload)
        self._follower.start()

    def serve_metrics(self, path: str, port: int = 0) -> int:
        """Serve the metrics over HTTP at a path from now on, and return the port.

        Raises KakeaiError if the port cannot be had.
        """
        self._monitoring = MonitoringServer(self._host, port, path, self._metrics.page)
        log.info("Metrics are at http://%s:%d%s", self._host, self._monitoring.port, path)
        return self._monitoring.port

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Take no new requests, let those under way end within the grace, cancel the rest, and unload."""
        if self._server is None:
            return
        self._health.enter_graceful_shutdown()
        if self._follower is not None:
            self._follower.stop()
        deadline = time.monotonic() + grace_seconds
        drained = self._server.stop(grace_seconds)
        self._watcher.stop()
        drained.wait(max(deadline - time.monotonic(), 0))
        self._scheduler.stop()
        self._catalogue.close()
        self._scheduler.join()
        if self._follower is not None:
            self._follower.join()
        if self._monitoring is not None:
            self._monitoring.stop()
        self._threads.shutdown()
        drained.wait()
        self._server = None

    def __enter__(self) -> "ModelServer":
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _reload(self, models: Sequence[ServedModel]) -> None:
        self._catalogue.replace(models)
        self._watcher.look_now(timeout_seconds=None)

    def _tell_health(self, available: bool) -> None:
        serving = health_pb2.HealthCheckResponse.SERVING
        # "PredictionService" and "ModelService" are the names TF Serving registers.
        self._health.set("ModelService", serving)
        status = serving if available else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in (health.OVERALL_HEALTH, "PredictionService"):
            self._health.set(service, status)


def _listen(server: grpc.Server, host: str, port: int) -> int:
    check_free(host, port)
    try:
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise KakeaiError(f"Port {port} of {host} was taken a moment ago; choose another port.") from error
