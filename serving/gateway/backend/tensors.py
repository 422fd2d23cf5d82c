"""NumPy arrays to and from TensorFlow's ``TensorProto``, without TensorFlow."""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from kakeai.protos.tensorflow.core.framework.tensor_pb2 import TensorProto
from kakeai.protos.tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32, DT_INT64


class _Kind(NamedTuple):
    dtype: np.dtype[Any]
    field: str  # where TensorProto keeps the values when they are not packed as bytes


_KINDS = {
    DT_FLOAT: _Kind(np.dtype("<f4"), "float_val"),
    DT_INT32: _Kind(np.dtype("<i4"), "int_val"),
    DT_INT64: _Kind(np.dtype("<i8"), "int64_val"),
}
_NUMBERS = {kind.dtype: number for number, kind in _KINDS.items()}


def tensor(array: np.ndarray) -> TensorProto:
    """A ``TensorProto`` of the same shape and values. ``array`` is float32, int32 or int64."""
    message = TensorProto(dtype=_NUMBERS[array.dtype.newbyteorder("<")])
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    message.tensor_content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return message


def array(message: TensorProto) -> np.ndarray:
    """The array in a ``TensorProto`` of float32, int32 or int64.

    TensorFlow sends values packed as bytes or one by one, and may leave off a tail that repeats the last
    value (tensorflow/core/framework/tensor.proto). Raises ValueError for any other type or for values that do
    not fit the shape.
    """
    kind = _KINDS.get(message.dtype)
    if kind is None:
        raise ValueError(f"a tensor of type {message.dtype}; expected float32, int32 or int64")
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_content:
        return np.frombuffer(message.tensor_content, kind.dtype).reshape(shape)
    values = np.array(getattr(message, kind.field), kind.dtype)
    missing = prod(shape) - values.size
    if missing and (missing < 0 or not values.size):
        raise ValueError(f"{values.size} values for a tensor of shape {shape}")
    return np.concatenate([values, np.repeat(values[-1:], missing)]).reshape(shape)
