"""Tensors on the wire: checked against a signature, and turned into arrays and back."""

import math
from functools import cache, lru_cache
from typing import Any, cast

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.model_server.refusal import Refusal

# A TensorProto may name a huge shape and hold one value to fill it with: so its size is checked first.
MAX_TENSOR_BYTES = 256 * 2**20


def array_of(name: str, tensor: TensorProto, expected: TensorInfo) -> np.ndarray[Any, Any]:
    """The array that `tensor` holds. Raises Refusal, naming the input, if it is not what `expected` says.

    The words are TF Serving's (cc/saved_model/util.cc and, for the type, tfrt_predict_util.cc, whose sentence names
    the input). It leaves a wrong shape to the graph, which may answer it with nonsense or with words that name no
    input; here that is said in the manner of the type.
    """
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(shape, default=0) < 0 or not _is_type(tensor.dtype):
        raise _unparsable(name)
    if tensor.dtype != expected.dtype:
        raise _unfit(name, f"to be {_type_name(expected.dtype)} but get {_type_name(tensor.dtype)}.")
    if not _fits(shape, expected):
        raise _unfit(name, f"to have shape {_braced(_shape_of(expected))} but get {_braced(shape)}.")
    dtype = _numpy_dtype(tensor.dtype)
    if math.prod(shape) * dtype.itemsize > MAX_TENSOR_BYTES:
        raise _unfit(name, f"to be of at most {MAX_TENSOR_BYTES} bytes but get shape {_braced(shape)}.")
    try:
        if tensor.tensor_content and dtype.kind != "O":  # what make_ndarray does, in a fifth of its time
            return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError, OverflowError) as error:
        raise _unparsable(name) from error


def proto_of(value: Any) -> TensorProto:  # noqa: ANN401  (an array or NumPy scalar; bytes for a string scalar)
    """The TensorProto for a result of a session."""
    array = np.asarray(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)
    if array.dtype == object:
        return tf.make_tensor_proto(array, dtype=tf.string, shape=array.shape)
    proto = TensorProto(tensor_content=array.tobytes())
    proto.dtype = _number_of(array.dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@cache
def _numpy_dtype(number: int) -> np.dtype[Any]:
    return np.dtype(tf.dtypes.as_dtype(number).as_numpy_dtype)


@cache
def _number_of(dtype: np.dtype[Any]) -> Any:  # noqa: ANN401  (a DataType: a number with a name)
    return tf.dtypes.as_dtype(dtype).as_datatype_enum


def _unfit(name: str, why: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"Expected input {name} {why}")


def _unparsable(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {name}")


@lru_cache(256)  # bounded: a client may send any number as a type
def _is_type(dtype: int) -> bool:
    try:
        tf.dtypes.as_dtype(dtype)
    except TypeError:
        return False
    return True


def _type_name(dtype: int) -> str:
    """TensorFlow's own, such as float and int32 (DataTypeString)."""
    return DataType.Name(cast(Any, dtype)).removeprefix("DT_").lower()


def _braced(shape: list[int]) -> str:
    """As TensorFlow writes a shape that may be known in part: [?,3]."""
    return "[" + ",".join("?" if size < 0 else str(size) for size in shape) + "]"


def _shape_of(expected: TensorInfo) -> list[int]:
    return [dim.size for dim in expected.tensor_shape.dim]


def _fits(shape: list[int], expected: TensorInfo) -> bool:
    if expected.tensor_shape.unknown_rank:
        return True
    wanted = _shape_of(expected)
    return len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))
