"""The model server, over one gRPC channel."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np

from kakeai.music.melody import MAX_PITCH, NO_EVENT
from serving.gateway import tensors
from serving.gateway.ask import Ask, Reply
from serving.gateway.exceptions import (
    GatewayError,
    ModelNotFound,
    ModelServerFault,
    ModelServerTooSlow,
    ModelServerUnavailable,
    NotReady,
    RequestRefused,
)
from serving.gateway.messages import ModelVersion
from serving.gateway.metrics import Metrics
from serving.gateway.tensorflow_protos import (
    GetModelStatusRequest,
    ModelServiceStub,
    ModelVersionStatus,
    PredictionServiceStub,
    PredictRequest,
    Proto,
)

SIGNATURE = "generate"
AVAILABLE = "AVAILABLE"
MAX_SENTENCE = 200  # characters of the model server's own words that a client gets to read

# A melody depends on its request alone (the seed is in it), so asking again is safe. Spread over all the
# addresses of a name, and look again soon after a server went away: gRPC's own longest pause is two minutes.
_CHANNEL_OPTIONS = [
    (
        "grpc.service_config",
        json.dumps(
            {
                "loadBalancingConfig": [{"round_robin": {}}],
                "methodConfig": [
                    {
                        "name": [{"service": "tensorflow.serving.PredictionService"}],
                        "retryPolicy": {
                            "maxAttempts": 3,
                            "initialBackoff": "0.05s",
                            "maxBackoff": "0.5s",
                            "backoffMultiplier": 2,
                            "retryableStatusCodes": ["UNAVAILABLE"],
                        },
                    }
                ],
            }
        ),
    ),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

log = logging.getLogger(__name__)


class Backend:
    """A client of TF Serving's PredictionService and ModelService. To be made inside a running event loop.

    Every method raises a ModelServerError for what goes wrong over there.
    """

    def __init__(self, address: str, predict_seconds: float, status_seconds: float, metrics: Metrics) -> None:
        """A client of the server at ``address`` (HOST:PORT) that waits at most so long for each answer."""
        self._address = address
        self._predict_seconds = predict_seconds
        self._status_seconds = status_seconds
        self._metrics = metrics
        self._channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._prediction = PredictionServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def generate(self, ask: Ask) -> Reply:
        """The model's answer to a primer."""
        request = PredictRequest()
        request.model_spec.name = ask.model
        request.model_spec.signature_name = SIGNATURE
        for name, value in {
            "melody": ask.primer.astype(np.int32)[np.newaxis],
            "length": np.array([ask.primer.size], np.int32),
            "steps": np.array([ask.steps], np.int32),
            "temperature": np.array([ask.temperature], np.float32),
            "seed": np.array([ask.seed], np.int64),
        }.items():
            request.inputs[name].CopyFrom(tensors.tensor(value))
        with self._watching("predict", ask.model):
            response = await self._prediction.Predict(request, timeout=self._predict_seconds)
        return _reply(response, ask)

    async def versions(self, model: str) -> list[ModelVersion]:
        """All versions of a model that the server knows, newest first."""
        request = GetModelStatusRequest()
        request.model_spec.name = model
        with self._watching("status", model):
            response = await self._models.GetModelStatus(request, timeout=self._status_seconds)
        state_name = ModelVersionStatus.State.Name
        found = [
            ModelVersion(version=status.version, state=state_name(status.state))
            for status in response.model_version_status
        ]
        return sorted(found, key=lambda version: version.version, reverse=True)

    async def version(self, model: str) -> int:
        """The newest version of a model that can answer. Raises NotReady if there is none."""
        for version in await self.versions(model):
            if version.state == AVAILABLE:
                return version.version
        raise NotReady(f"No version of the model {model!r} can answer yet.")

    @contextmanager
    def _watching(self, call: str, model: str) -> Iterator[None]:
        """Time a call, and turn gRPC's errors into the gateway's own."""
        started = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            yield
        except grpc.aio.AioRpcError as error:
            code = error.code()
            # Probes ask for the status every few seconds, and while a model server starts they ask in vain.
            level = logging.DEBUG if call == "status" else logging.WARNING
            log.log(level, "%s for model %s: %s: %s", call, model, code.name, error.details())
            raise self._error(error, model) from error
        finally:
            self._metrics.model_server_seconds.labels(call, code.name).observe(time.perf_counter() - started)

    def _error(self, error: grpc.aio.AioRpcError, model: str) -> GatewayError:
        """The gateway's error for a gRPC status."""
        match error.code():
            case grpc.StatusCode.NOT_FOUND:
                return ModelNotFound(
                    f"The model server has no model {model!r} that can answer.", field="model"
                )
            case grpc.StatusCode.INVALID_ARGUMENT:
                first_line = (error.details() or "").partition("\n")[0][:MAX_SENTENCE]
                return RequestRefused(f"The model refused this request: {first_line}")
            case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.RESOURCE_EXHAUSTED:
                return ModelServerUnavailable(
                    "The model server is not there or has no room now; try again soon."
                )
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return ModelServerTooSlow("The model server did not answer in time.")
            case _:
                return ModelServerFault("The model server failed; the gateway's log has its words.")


def _reply(response: Proto, ask: Ask) -> Reply:
    """The melody in a response. Raises ModelServerFault for anything that is none."""
    try:
        melody = tensors.array(response.outputs["melody"])
        log_likelihood = float(tensors.array(response.outputs["log_likelihood"]).reshape(1)[0])
        if melody.shape != (1, ask.steps):
            raise ValueError(f"a melody of shape {melody.shape}, not (1, {ask.steps})")
        if melody.min() < NO_EVENT or melody.max() > MAX_PITCH:
            raise ValueError("events that are none")
        if not np.isfinite(log_likelihood):
            raise ValueError(f"a log likelihood of {log_likelihood}")
    except ValueError as error:
        log.error("predict for model %s: the response has %s", ask.model, error)
        raise ModelServerFault(
            f"The model {ask.model!r} answered with something that is no melody."
        ) from error
    return Reply(melody[0].astype(np.int8), log_likelihood, response.model_spec.version.value)
