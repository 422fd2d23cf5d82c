"""The model server, over one gRPC channel."""

import logging
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager

import grpc
import numpy as np

from kakeai.music.melody import MAX_PITCH, NO_EVENT
from kakeai.protos.tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from kakeai.protos.tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    ModelVersionStatus,
)
from kakeai.protos.tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from kakeai.protos.tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from serving.gateway.api.messages import ModelVersion
from serving.gateway.backend import tensors
from serving.gateway.backend.ask import Ask, Reply
from serving.gateway.backend.channel import open_channel
from serving.gateway.backend.hedge import first_success
from serving.gateway.errors import (
    GatewayError,
    LabelMissing,
    ModelNotFound,
    ModelServerFault,
    ModelServerTooSlow,
    ModelServerUnavailable,
    NotReady,
    RequestRefused,
)
from serving.gateway.settings import Settings
from serving.gateway.telemetry.metrics import Metrics
from serving.gateway.telemetry.request_id import METADATA, request_id

SIGNATURE = "generate"
AVAILABLE = "AVAILABLE"
UNKNOWN_LABEL = "Unrecognized servable version label"  # TF Serving's words
MAX_SENTENCE = 200  # characters of the model server's own words that a client gets to read

log = logging.getLogger(__name__)


class ModelServer:
    """A client of TF Serving's PredictionService and ModelService. To be made inside a running event loop.

    Every method raises a ModelServerError for what goes wrong over there. Every call has a deadline, and
    carries the request's id.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
    ) -> None:
        """A client of ``settings.model_server``."""
        self._settings = settings
        self._metrics = metrics
        self._channel = open_channel(settings.model_server, interceptors)
        self._prediction = PredictionServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def generate(self, ask: Ask) -> list[Reply]:
        """The model's answers to a primer, one for each seed, in one batch."""
        request = PredictRequest()
        request.model_spec.name = ask.model
        request.model_spec.signature_name = SIGNATURE
        if ask.version is not None:
            request.model_spec.version.value = ask.version
        elif ask.label is not None:
            request.model_spec.version_label = ask.label
        count = len(ask.seeds)
        for name, value in {
            "melody": np.tile(ask.primer.astype(np.int32), (count, 1)),
            "length": np.full(count, ask.primer.size, np.int32),
            "steps": np.full(count, ask.steps, np.int32),
            "temperature": np.full(count, ask.temperature, np.float32),
            "seed": np.array(ask.seeds, np.int64),
        }.items():
            request.inputs[name].CopyFrom(tensors.tensor(value))
        with self._watching("predict", ask.model, ask.version, ask.label):
            response = await self._predict(request)
        return _replies(response, ask)

    async def versions(self, model: str) -> list[ModelVersion]:
        """The versions of a model that the server knows, newest first."""
        request = GetModelStatusRequest()
        request.model_spec.name = model
        with self._watching("status", model):
            response = await self._models.GetModelStatus(
                request, timeout=self._settings.status_seconds, metadata=_metadata()
            )
        state_name = ModelVersionStatus.State.Name
        found = [
            ModelVersion(version=status.version, state=state_name(status.state))
            for status in response.model_version_status
        ]
        return sorted(found, key=lambda version: version.version, reverse=True)

    async def available(self, model: str) -> list[int]:
        """The versions of a model that can answer, newest first."""
        return [version.version for version in await self.versions(model) if version.state == AVAILABLE]

    async def version(self, model: str, label: str | None = None) -> int:
        """The newest version of a model, or the one with a label.

        Raises NotReady if none can answer, LabelMissing if none that can answer has the label.
        """
        if label is not None:
            return await self._labelled(model, label)
        for version in await self.available(model):
            return version
        raise NotReady(f"No version of the model {model!r} can answer yet.")

    async def _labelled(self, model: str, label: str) -> int:
        # TF Serving's GetModelStatus takes no notice of labels; its metadata does.
        request = GetModelMetadataRequest()
        request.model_spec.name = model
        request.model_spec.version_label = label
        request.metadata_field.append("signature_def")
        with self._watching("metadata", model, label=label):
            response = await self._prediction.GetModelMetadata(
                request, timeout=self._settings.status_seconds, metadata=_metadata()
            )
        return response.model_spec.version.value

    async def _predict(self, request: PredictRequest) -> PredictResponse:
        """One answer in time; where hedging is on, the first that comes of two, the second asked for after a while."""
        deadline = time.monotonic() + self._settings.predict_seconds

        def ask() -> Awaitable[PredictResponse]:
            left = deadline - time.monotonic()
            return self._prediction.Predict(request, timeout=left, metadata=_metadata())

        if self._settings.hedge_seconds is None:
            return await ask()
        return await first_success(ask, self._settings.hedge_seconds)

    @contextmanager
    def _watching(
        self, call: str, model: str, version: int | None = None, label: str | None = None
    ) -> Iterator[None]:
        """Time a call, and turn gRPC's errors into the gateway's own."""
        started = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            yield
        except grpc.aio.AioRpcError as error:
            code = error.code()
            failure = _error(error, model, version, label)
            # Probes ask for the version every few seconds, and while a model server starts they ask in vain.
            # A missing label concerns every session, and the gateway logs it once.
            is_frequent = call != "predict" or isinstance(failure, LabelMissing)
            level = logging.DEBUG if is_frequent else logging.WARNING
            log.log(level, "%s for model %s: %s: %s", call, model, code.name, error.details())
            raise failure from error
        finally:
            # Names that nobody serves come from clients: they must not make the metrics grow.
            is_known = code is grpc.StatusCode.OK or model == self._settings.model
            seconds = time.perf_counter() - started
            self._metrics.model_server_seconds.labels(call, model if is_known else "", code.name).observe(
                seconds
            )


def _metadata() -> tuple[tuple[str, str], ...]:
    name = request_id.get()
    return ((METADATA, name),) if name else ()


def _error(error: grpc.aio.AioRpcError, model: str, version: int | None, label: str | None) -> GatewayError:
    """The gateway's error for a gRPC status."""
    match error.code():
        case grpc.StatusCode.NOT_FOUND if version is not None:
            return ModelNotFound(f"Version {version} of the model {model!r} is not served.", field="version")
        case grpc.StatusCode.NOT_FOUND if label is not None:
            # The label stands for a version that is not in the store yet, or that is not loaded.
            return LabelMissing(f"No version of the model {model!r} that can answer has the label asked for.")
        case grpc.StatusCode.NOT_FOUND:
            return ModelNotFound(f"The model server has no model {model!r} that can answer.", field="model")
        case grpc.StatusCode.INVALID_ARGUMENT if (error.details() or "").startswith(UNKNOWN_LABEL):
            return LabelMissing(f"No version of the model {model!r} has the label asked for.")
        case grpc.StatusCode.INVALID_ARGUMENT:
            first_line = (error.details() or "").partition("\n")[0][:MAX_SENTENCE]
            return RequestRefused(f"The model refused this request: {first_line}")
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.RESOURCE_EXHAUSTED | grpc.StatusCode.CANCELLED:
            # CANCELLED comes from a server that stops: our own cancelling is an asyncio.CancelledError.
            return ModelServerUnavailable("The model server is not there or has no room now; try again soon.")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return ModelServerTooSlow("The model server did not answer in time.")
        case _:
            return ModelServerFault("The model server failed; the gateway's log has its words.")


def _replies(response: PredictResponse, ask: Ask) -> list[Reply]:
    """The melodies in a response. Raises ModelServerFault for anything that is none."""
    shape = (len(ask.seeds), ask.steps)
    try:
        melodies = tensors.array(response.outputs["melody"])
        log_likelihoods = tensors.array(response.outputs["log_likelihood"])
        # A server that batches sends melodies as wide as the longest of the batch, padded on the right.
        if melodies.ndim != 2 or len(melodies) != shape[0] or melodies.shape[1] < shape[1]:
            raise ValueError(f"melodies of shape {melodies.shape}, not {shape}")
        melodies = melodies[:, : ask.steps]
        if melodies.min() < NO_EVENT or melodies.max() > MAX_PITCH:
            raise ValueError("events that are none")
        if log_likelihoods.shape != shape[:1] or not np.isfinite(log_likelihoods).all():
            raise ValueError("log likelihoods that are no numbers, one for each melody")
    except ValueError as error:
        log.error("predict for model %s: the response has %s", ask.model, error)
        raise ModelServerFault(
            f"The model {ask.model!r} answered with something that is no melody."
        ) from error
    version = response.model_spec.version.value
    return [
        Reply(melody, float(log_likelihood), seed, version)
        for melody, log_likelihood, seed in zip(
            melodies.astype(np.int8), log_likelihoods, ask.seeds, strict=True
        )
    ]
