"""How requests are batched: TF Serving's BatchingParameters, from its own text proto."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from kakeai.errors import KakeaiError
from kakeai.protos.kakeai import serving_config_pb2
from serving.model_server.scheduler import PROCESSORS
from serving.model_server.text_proto import read_text_proto


@dataclass(frozen=True)
class BatchingParameters:
    """When waiting requests become a batch, with TF Serving's names and defaults (session_bundle_config.proto).

    Attributes:
        max_batch_size: Rows of the largest batch.
        batch_timeout_micros: Microseconds that a batch waits for more rows while a thread is free to run it.
        max_enqueued_batches: Batches of one signature that may wait; a request beyond is told UNAVAILABLE.
        num_batch_threads: Batches that run at once.
        allowed_batch_sizes: Sizes that batches are filled up to, rising to `max_batch_size`; () allows any.
        thread_pool_name: What the metrics call the threads that run batches.
        pad_variable_length_inputs: Whether inputs of unequal lengths are padded, with copies of their first
            value, to share a batch.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = PROCESSORS
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    thread_pool_name: str = "batch_threads"

    def __post_init__(self) -> None:
        """Raise KakeaiError, in TF Serving's words, for values that cannot be."""
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise KakeaiError(f"{name} must be positive; was {getattr(self, name)}")
        if self.batch_timeout_micros < 0:
            raise KakeaiError(f"batch_timeout_micros must be non-negative; was {self.batch_timeout_micros}")
        sizes = self.allowed_batch_sizes
        if sizes and sizes[-1] != self.max_batch_size:
            raise KakeaiError(
                "Last entry in allowed_batch_sizes must match max_batch_size; "
                f"last entry was {sizes[-1]}; expected {self.max_batch_size}"
            )
        if any(size < 1 or size >= after for size, after in pairwise(sizes)):
            raise KakeaiError("allowed_batch_sizes entries must be positive and monotonically increasing")

    def allowed(self, rows: int) -> int:
        """The size that a batch of `rows` is filled up to."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Parameters of a `--batching_parameters_file`, a BatchingParameters text proto.

    Raises KakeaiError if the file cannot be read or asks for what this server does not do.
    """
    proto = read_text_proto(path, serving_config_pb2.BatchingParameters(), "batching parameters")
    given = {field.name: _python(value) for field, value in proto.ListFields()}
    if given.pop("enable_large_batch_splitting", False):
        raise KakeaiError(
            f"{path}: enable_large_batch_splitting is not done here; let max_batch_size be the rows of the "
            "largest request."
        )
    given.pop("max_execution_batch_size", None)  # it counts only with the one above
    try:
        return BatchingParameters(**given)
    except KakeaiError as error:
        raise KakeaiError(f"{path}: {error}") from error


def _python(value: Any) -> Any:  # noqa: ANN401  (a field of the proto; of the dataclass)
    match value:
        case Message():
            return value.value  # pyright: ignore[reportAttributeAccessIssue]
        case bool() | int() | str():
            return value
        case _:
            return tuple(value)
