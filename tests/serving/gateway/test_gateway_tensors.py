"""Tensors, against TensorFlow itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kakeai.protos.tensorflow.core.framework.tensor_pb2 import TensorProto
from kakeai.protos.tensorflow.core.framework.types_pb2 import DT_INT32
from serving.gateway.backend import tensors

_arrays = st.one_of(
    *(
        npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
        for dtype in (np.float32, np.int32, np.int64)
    )
)


@given(_arrays)
def test_an_array_comes_back_from_its_tensor(array):
    back = tensors.array(tensors.tensor(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
def test_tensorflow_reads_and_writes_the_same(dtype):
    import tensorflow as tf

    array = np.array([[1, -2, 60], [60, -1, -2]], dtype)
    np.testing.assert_array_equal(tf.make_ndarray(tensors.tensor(array)), array)
    np.testing.assert_array_equal(tensors.array(tf.make_tensor_proto(array)), array)


def test_a_tail_that_tensorflow_left_off_is_put_back():
    import tensorflow as tf

    message = tf.make_tensor_proto(-2, tf.int32, shape=[1, 8])
    assert len(message.int_val) == 1  # the case this test is about
    np.testing.assert_array_equal(tensors.array(message), np.full((1, 8), -2))


def _proto(**fields):
    message = TensorProto(**fields)
    message.tensor_shape.dim.add(size=2)
    return message


@pytest.mark.parametrize(
    "message",
    [
        _proto(dtype=7, string_val=[b"a", b"b"]),
        _proto(dtype=DT_INT32, int_val=[1, 2, 3]),
        _proto(dtype=DT_INT32),
        _proto(dtype=DT_INT32, tensor_content=b"\0" * 5),
    ],
    ids=["strings", "too many values", "no values", "half a value"],
)
def test_what_is_no_such_tensor_is_an_error(message):
    with pytest.raises(ValueError, match=r"."):
        tensors.array(message)
