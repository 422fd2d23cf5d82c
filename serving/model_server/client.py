"""One request to a model server, over the wire, the way any client of TF Serving makes it."""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import (
    PredictRequest,
)
from kakeai.protos.tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from serving.model_server.signature import DEFAULT_SIGNATURE


class PredictError(KakeaiError):
    """The server gave no answer: its gRPC status code and message."""

    def __init__(self, address: str, model: str, code: grpc.StatusCode, message: str) -> None:
        """`message` is the server's, or gRPC's where none was reached."""
        super().__init__(
            f"The model server at {address} gave no answer for model {model}: {message} ({code.name})"
        )
        self.code = code
        self.message = message


def predict(
    address: str,
    model: str,
    inputs: Mapping[str, np.ndarray[Any, Any]],
    signature: str = DEFAULT_SIGNATURE,
    version: int | None = None,
    timeout_seconds: float = 10.0,
) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of one Predict request, by name. `version` None asks for the newest. Raises PredictError."""
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with grpc.insecure_channel(address) as channel:
        try:
            response = PredictionServiceStub(channel).Predict(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise PredictError(address, model, error.code(), error.details() or "") from error
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
