"""Warm-up: the requests that a SavedModel brings along, so that no client pays for the first run."""

import logging
from collections.abc import Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError

from kakeai.protos.tensorflow_serving.apis.prediction_log_pb2 import (
    PredictionLog,
)
from serving.model_server.refusal import Refusal
from serving.model_server.servable import Servable

# Where TF Serving looks, and how much it takes: saved_model_warmup.md.
WARMUP_REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MAX_WARMUP_RECORDS = 1000

log = logging.getLogger(__name__)


def replay_warmup(servable: Servable, folder: Path) -> int:
    """Run the Predict requests in a version's warm-up file, a TFRecord of PredictionLog; the number of them.

    As in TF Serving, a version is not fit to serve if its warm-up cannot be read or fails: raises Refusal.
    """
    path = folder / WARMUP_REQUESTS
    if not path.is_file():
        return 0
    replayed = 0
    for number, entry in enumerate(_entries(path), start=1):
        if number > MAX_WARMUP_RECORDS:
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Number of warmup records exceeds the maximum ({MAX_WARMUP_RECORDS}) at {path}",
            )
        if entry.WhichOneof("log_type") != "predict_log":
            log.warning("%s: record %d is no Predict request and is skipped", path, number)
            continue
        request = entry.predict_log.request
        try:
            servable.predict(request.model_spec.signature_name, request.inputs, request.output_filter)
        except Refusal as error:
            raise Refusal(
                grpc.StatusCode.FAILED_PRECONDITION, f"Warm-up request {number} fails: {error.message}"
            ) from error
        replayed += 1
    return replayed


def _entries(path: Path) -> Iterator[PredictionLog]:
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield PredictionLog.FromString(bytes(record))
    except (tf.errors.DataLossError, DecodeError) as error:
        raise Refusal(
            grpc.StatusCode.DATA_LOSS, f"The warm-up file {path} is no TFRecord of PredictionLog"
        ) from error
