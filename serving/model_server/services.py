"""The gRPC faces: PredictionService and ModelService, as far as this server has them."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from kakeai.protos.tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from kakeai.protos.tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from kakeai.protos.tensorflow_serving.apis.model_management_pb2 import (
    ReloadConfigRequest,
    ReloadConfigResponse,
)
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import (
    PredictRequest,
    PredictResponse,
)
from serving.model_server.catalogue import Catalogue
from serving.model_server.config import served_models
from serving.model_server.metrics import Metrics
from serving.model_server.refusal import Refusal
from serving.model_server.signature import DEFAULT_SIGNATURE
from serving.model_server.task import Caller
from serving.model_server.watcher import StoreWatcher

SIGNATURE_DEF = "signature_def"  # the one metadata field that TF Serving knows

# The message travels in a header, and clients refuse headers of more than 8 KiB. TF Serving cuts here too.
MAX_MESSAGE_LENGTH = 1024


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata; the other methods answer UNIMPLEMENTED."""

    def __init__(self, catalogue: Catalogue, max_predicts: int, metrics: Metrics) -> None:
        """Answer from what `catalogue` has, `max_predicts` requests at once and no more; `metrics` count them."""
        self._catalogue = catalogue
        self._metrics = metrics
        self._places = threading.Semaphore(max_predicts)

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        """Run one signature of one version."""
        response = PredictResponse()
        with (
            _refusals_told(context),
            self._counted(request.model_spec.name),
            self._place(),
            self._catalogue.lease(request.model_spec) as lease,
        ):
            outputs = lease.servable.predict(
                request.model_spec.signature_name, request.inputs, request.output_filter, _caller(context)
            )
            for name, tensor in outputs.items():
                response.outputs[name].CopyFrom(tensor)
            response.model_spec.name = lease.model
            response.model_spec.version.value = lease.number
            response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        return response

    def GetModelMetadata(
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        """Describe the signatures of one version."""
        response = GetModelMetadataResponse()
        with _refusals_told(context):
            if not request.HasField("model_spec"):
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
            if not request.metadata_field:
                raise Refusal(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "GetModelMetadataRequest must specify at least one metadata_field",
                )
            for field in request.metadata_field:
                if field != SIGNATURE_DEF:
                    raise Refusal(
                        grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {field} is not supported"
                    )
            with self._catalogue.lease(request.model_spec) as lease:
                response.metadata[SIGNATURE_DEF].Pack(
                    SignatureDefMap(signature_def=lease.servable.signatures)
                )
                response.model_spec.name = lease.model
                response.model_spec.version.value = lease.number
        return response

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        began, status = time.monotonic(), grpc.StatusCode.INTERNAL
        try:
            yield
            status = grpc.StatusCode.OK
            took = (time.monotonic() - began) * 1e6
            self._metrics.request_latency.add(took, name, "Predict", "GRPC")
        except Refusal as refusal:
            status = refusal.code
            raise
        finally:
            # Names that strangers make up must not make the metrics grow.
            known = status is grpc.StatusCode.OK or self._catalogue.serves(name)
            self._metrics.request_count.add(name if known else "", status.name)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            # gRPC's own words in tensorflow_model_server, which has a thread for each request.
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        try:
            yield
        finally:
            self._places.release()


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, catalogue: Catalogue, watcher: StoreWatcher) -> None:
        """Tell of `catalogue`, and have `watcher` load what a new configuration asks for."""
        self._catalogue = catalogue
        self._watcher = watcher

    def GetModelStatus(
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        """Tell the state of a model's versions, and the error of one that could not be loaded."""
        response = GetModelStatusResponse()
        with _refusals_told(context):
            if not request.HasField("model_spec"):
                raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")
            response.model_version_status.extend(self._catalogue.statuses(request.model_spec))
        return response

    def HandleReloadConfigRequest(
        self, request: ReloadConfigRequest, context: grpc.ServicerContext
    ) -> ReloadConfigResponse:
        """Serve the models of another ModelServerConfig; answers once new ones are loaded or failed."""
        with _refusals_told(context):
            known = {model.name for model in self._catalogue.served()}
            self._catalogue.replace(served_models(request.config))
            if not self._watcher.look_now(context.time_remaining()):
                raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "The new models are still being loaded")
            missing = {n: why for n, why in self._catalogue.unavailable().items() if n not in known}
            if missing:
                reasons = ", ".join(f"{{{name}: {why}}}" for name, why in missing.items())
                raise Refusal(
                    grpc.StatusCode.UNKNOWN,
                    f"{len(missing)} model(s) did not become available: {{{reasons}}}",
                )
        return ReloadConfigResponse()


@contextmanager
def _refusals_told(context: grpc.ServicerContext) -> Iterator[None]:
    """The one place where what went wrong becomes a gRPC status."""
    try:
        yield
    except Refusal as refusal:
        code, message = refusal.code, refusal.message
    except KakeaiError as error:
        code, message = grpc.StatusCode.INVALID_ARGUMENT, str(error)
    else:
        return
    if len(message) > MAX_MESSAGE_LENGTH:
        message = message[:MAX_MESSAGE_LENGTH] + "...TRUNCATED"
    context.abort(code, message)


def _caller(context: grpc.ServicerContext) -> Caller:
    def on_leaving(callback: Callable[[], None]) -> None:
        if not context.add_callback(callback):
            callback()

    left = context.time_remaining()
    return Caller(math.inf if left is None else time.monotonic() + left, on_leaving)
