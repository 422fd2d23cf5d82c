"""Warm-up: the requests that a SavedModel brings along, so that no client pays for the first run."""

import logging
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import (
    PredictionLog,  # pyright: ignore[reportAttributeAccessIssue]
)

from serving.model_server.servable import Servable

# Where TF Serving looks, and how much it takes: saved_model_warmup.md.
WARMUP_REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MAX_WARMUP_RECORDS = 1000

log = logging.getLogger(__name__)


def replay_warmup(servable: Servable, folder: Path) -> int:
    """Run the Predict requests in a version's warm-up file, a TFRecord of PredictionLog; the number of them.

    As in TF Serving, a version whose warm-up cannot be read or fails is not fit to serve: raises Refusal or
    tf.errors.OpError for a failing request, ValueError for too many, and what TFRecord and protobuf raise.
    """
    path = folder / WARMUP_REQUESTS
    if not path.is_file():
        return 0
    replayed = 0
    for records, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), start=1):
        if records > MAX_WARMUP_RECORDS:
            raise ValueError(f"Number of warmup records exceeds the maximum ({MAX_WARMUP_RECORDS}) at {path}")
        entry = PredictionLog.FromString(record)
        if entry.WhichOneof("log_type") != "predict_log":
            log.warning("%s: record %d is no Predict request and is skipped", path, records)
            continue
        request = entry.predict_log.request
        servable.predict(request.model_spec.signature_name, request.inputs, request.output_filter)
        replayed += 1
    return replayed
