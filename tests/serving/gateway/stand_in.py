"""A real gRPC peer of the gateway that needs no TensorFlow: ``python stand_in.py ADDRESS`` serves it by itself."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from kakeai.protos.tensorflow.core.framework.types_pb2 import DT_INT32
from kakeai.protos.tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from serving.gateway.backend import tensors

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
    refusals: dict[int, tuple[grpc.StatusCode, str]] = field(
        default_factory=dict
    )  # by the request's number, from 1
    spoil: Callable[[Any], None] = lambda response: None
    may_answer: threading.Event = field(default_factory=threading.Event)
    was_asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    has_refused: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def reset(self) -> None:
        self.states = {"kakeai": {1: "END", 3: "AVAILABLE", 2: "AVAILABLE", 4: "LOADING"}}
        self.labels = {}
        self.asked.clear()
        self.failure = None
        self.refusals = {}
        self.spoil = lambda response: None
        self.may_answer.set()
        self.was_asked = threading.Semaphore(0)
        self.has_refused = threading.Semaphore(0)

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = request.model_spec.name
        inputs = {key: tensors.array(value) for key, value in request.inputs.items()}
        spec = request.model_spec
        wanted = spec.version.value if spec.HasField("version") else None
        metadata = {entry.key: entry.value for entry in context.invocation_metadata()}
        self.asked.append(Asked(name, wanted, spec.version_label, spec.signature_name, inputs, metadata))
        refusal = self.refusals.get(len(self.asked))
        self.was_asked.release()
        if refusal:
            context.add_callback(self.has_refused.release)
            context.abort(*refusal)
        self.may_answer.wait(WAIT_SECONDS)
        if self.failure:
            context.abort(*self.failure)
        if name not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({name})")
        self._check_label(spec.version_label, context)
        available = [version for version, state in self.states[name].items() if state == "AVAILABLE"]
        version = self.labels.get(spec.version_label, max(available)) if wanted is None else wanted
        if version not in available:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({name}, {version})"
            )
        response = predict_pb2.PredictResponse()
        response.model_spec.name = name
        response.model_spec.version.value = version
        rows, steps = len(inputs["seed"]), int(inputs["steps"][0])
        melody = response.outputs["melody"]  # value by value, as servers may send it
        melody.dtype = DT_INT32
        melody.tensor_shape.dim.add(size=rows)
        melody.tensor_shape.dim.add(size=steps)
        melody.int_val.extend(np.tile(np.resize(self.asked[-1].primer, steps), rows).tolist())
        log_likelihoods = np.full(rows, -0.5 * steps, np.float32)
        response.outputs["log_likelihood"].CopyFrom(tensors.tensor(log_likelihoods))
        self.spoil(response)
        return response

    def _check_label(self, label: str, context: grpc.ServicerContext) -> None:
        if label and label not in self.labels:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        label = request.model_spec.version_label
        self._check_label(label, context)
        name, version = request.model_spec.name, self.labels[label]
        if self.states.get(name, {}).get(version) != "AVAILABLE":
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({name}, {version})"
            )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.version.value = version
        return response

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        name = request.model_spec.name
        if name not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in self.states[name].items():  # of whatever label: TF Serving takes no notice
            response.model_version_status.add(
                version=version, state=get_model_status_pb2.ModelVersionStatus.State.Value(state)
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


if __name__ == "__main__":
    model = StandIn()
    model.reset()
    server, _ = model.serve(sys.argv[1])
    server.wait_for_termination()
