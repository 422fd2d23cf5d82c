"""Several tasks as one run: TF Serving's BatchingSession.

https://github.com/tensorflow/serving/blob/master/tensorflow_serving/batching/batching_session.cc
"""

from collections.abc import Callable, Sequence
from itertools import groupby

import grpc
import numpy as np

from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.refusal import Refusal
from serving.model_server.task import Array, Task

LONGEST_RANK = 6  # of inputs that can be padded


def rows_of(feeds: Sequence[Array]) -> int:
    """Rows that a request adds to a batch. Raises Refusal, in TF Serving's words, if it cannot be batched."""
    if not feeds:
        raise _invalid("Batching Run() must have at least one input tensor")
    if any(feed.ndim == 0 for feed in feeds):
        raise _invalid("Batching Run() input tensors must have at least one dimension")
    if len({len(feed) for feed in feeds}) > 1:
        raise _invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return len(feeds[0])


def run_batch(
    tasks: Sequence[Task],
    run: Callable[[Sequence[Array], float], Sequence[Array]],
    parameters: BatchingParameters,
) -> None:
    """End every task with its rows of what `run` gives for all their rows at once.

    `run` gets the inputs and the deadline: the latest of the tasks'. Where TF Serving fails a whole batch, here
    tasks whose inputs differ in shape run apart unless they may be padded, and a batch that the graph refuses
    is halved until only the task at fault is refused.
    """
    for group in [list(tasks)] if parameters.pad_variable_length_inputs else _alike(tasks):
        _run_together(group, run, parameters)


def _run_together(
    tasks: Sequence[Task],
    run: Callable[[Sequence[Array], float], Sequence[Array]],
    parameters: BatchingParameters,
) -> None:
    try:
        feeds = merge([task.feeds for task in tasks], parameters)
        outputs = run(feeds, max(task.deadline for task in tasks))
    except Refusal as refusal:
        if len(tasks) == 1 or refusal.code in _SHARED:
            for task in tasks:
                task.end(error=refusal)
            return
        middle = len(tasks) // 2
        for half in (tasks[:middle], tasks[middle:]):
            _run_together(half, run, parameters)
        return
    end = 0
    for task in tasks:
        start, end = end, end + task.rows
        try:
            task.end(share(task.chosen(outputs), slice(start, end), len(feeds[0])))
        except Refusal as refusal:  # of an output that other tasks may not have asked for
            task.end(error=refusal)


def merge(requests: Sequence[Sequence[Array]], parameters: BatchingParameters) -> list[Array]:
    """Each input of all the requests, one below the other: padded, and filled up to an allowed size.

    Raises Refusal, in TF Serving's words, where there is nothing to pad with.
    """
    columns = [_column(tensors) for tensors in zip(*requests, strict=True)]
    missing = parameters.allowed(len(columns[0])) - len(columns[0])
    if missing and len(columns[0]):
        # Copies of the last request's first row: it is valid input.
        first = len(columns[0]) - len(requests[-1][0])
        columns = [
            np.concatenate([column, np.repeat(column[first : first + 1], missing, axis=0)])
            for column in columns
        ]
    return columns


def share(outputs: Sequence[Array], rows: slice, total: int) -> list[Array]:
    """One request's rows of each output, of `total` in the batch.

    Raises Refusal, in TF Serving's words, for an output without rows.
    """
    for output in outputs:
        if np.ndim(output) == 0:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if len(output) != total:
            raise Refusal(
                grpc.StatusCode.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                "input tensors",
            )
    return [output[rows] for output in outputs]


# What holds for all of a batch, however small.
_SHARED = {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.FAILED_PRECONDITION,
}


def _column(tensors: Sequence[Array]) -> Array:
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    return np.concatenate([_padded(tensor, shape) for tensor in tensors])


def _padded(tensor: Array, shape: Sequence[int]) -> Array:
    if list(tensor.shape[1:]) == list(shape) or not len(tensor):
        return tensor if len(tensor) else np.empty((0, *shape), tensor.dtype)
    if tensor.ndim > LONGEST_RANK:
        raise _invalid("Only tensors with rank from 1 to 6 can be padded.")
    if not tensor.size:
        raise _invalid("Got empty tensor in batch of non-empty tensors.")
    missing = [(0, 0)] + [(0, wanted - size) for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
    return np.pad(tensor, missing, constant_values=tensor.flat[0])


def _alike(tasks: Sequence[Task]) -> list[list[Task]]:
    def shapes(task: Task) -> list[tuple[int, ...]]:
        return [feed.shape[1:] for feed in task.feeds]

    return [list(group) for _, group in groupby(sorted(tasks, key=shapes), key=shapes)]


def _invalid(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
