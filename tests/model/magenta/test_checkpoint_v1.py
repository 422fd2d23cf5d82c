"""Checkpoints of TensorFlow's first format, beside TensorFlow's own reader and writer."""

import struct

import numpy as np
import pytest
import tensorflow.compat.v1 as tf1
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

from kakeai.model.data.tfrecord import masked_checksum
from kakeai.model.magenta import checkpoint_v1
from kakeai.model.magenta.checkpoint_v1 import read_weights, unpack_snappy

WEIGHTS = {
    "a/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a/bias": np.float32([0.5, -2.0]),
    "scale": np.float32(3.0),
    "nothing": np.zeros([0, 4], np.float32),
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "model.ckpt"
    with tf1.Graph().as_default(), tf1.Session() as session:
        variables = {
            name: tf1.Variable(value, name=f"v{i}") for i, (name, value) in enumerate(WEIGHTS.items())
        }
        variables["global_step"] = tf1.Variable(np.int64(7), name="global_step")
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(variables, write_version=tf1.train.SaverDef.V1)
        saver.save(session, str(path), write_meta_graph=False)
    return path.read_bytes()


@pytest.fixture(scope="module")
def entries(content):
    """The table's values; the first tells the shapes."""
    return [
        (b"" if length == 0 else b"k%03d" % i, value)
        for i, (length, value) in enumerate(checkpoint_v1._entries(content))
    ]


def varint(number):
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def table(entries, compression=b"\0", pack=lambda block: block):
    """A table of one block, as LevelDB's documentation has it."""

    def block(entries):
        rows = (varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
        return b"".join(rows) + struct.pack("<II", 0, 1)

    def stored(content, compression):
        return content + compression + masked_checksum(content + compression)

    data, none = pack(block(entries)), block([])
    index = block([(b"~", varint(0) + varint(len(data)))])
    parts = [stored(data, compression), stored(none, b"\0"), stored(index, b"\0")]
    handles = (
        varint(len(parts[0])) + varint(len(none)) + varint(len(parts[0]) + len(parts[1])) + varint(len(index))
    )
    return b"".join(parts) + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def packed_by_snappy(block):
    """As one literal: Snappy may leave everything as it is."""
    return varint(len(block)) + bytes([61 << 2]) + (len(block) - 1).to_bytes(2, "little") + block


def test_the_weights_that_tensorflow_wrote(content):
    weights = read_weights(content)
    assert weights.keys() == WEIGHTS.keys()
    for name, weight in WEIGHTS.items():
        np.testing.assert_array_equal(weights[name], weight, strict=True)


def test_a_compressed_block(entries):
    packed = table(entries, b"\1", packed_by_snappy)
    np.testing.assert_array_equal(read_weights(packed)["a/kernel"], WEIGHTS["a/kernel"])


def test_what_snappy_packed():
    # Literals, then a copy by each width of distance, the first one running into what it writes itself.
    assert unpack_snappy(b"\x0a\x04ab" + b"\x11\x02") == b"ababababab"
    assert unpack_snappy(b"\x06\x08abc" + b"\x0a\x03\x00") == b"abcabc"
    assert unpack_snappy(b"\x06\x08abc" + b"\x0b\x03\x00\x00\x00") == b"abcabc"
    for broken in (b"\x05\x04ab", b"\x0a\x04ab\x11\x05", b"\x01\x04ab"):
        with pytest.raises(ValueError, match="packed wrongly"):
            unpack_snappy(broken)


def tampered(entries, change):
    shapes = SavedTensorSlices.FromString(entries[0][1])
    change(shapes.meta.tensor[0])
    return table([(b"", shapes.SerializeToString()), *entries[1:]])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda told: setattr(told.shape.dim[0], "size", 2**40), "has not the .* numbers"),
        (lambda told: setattr(told.shape.dim[0], "size", -1), "has not the .* numbers"),
        (lambda told: told.shape.dim.add(size=2**62), "has not the .* numbers"),
        (lambda told: setattr(told, "name", "elsewhere"), "variable elsewhere has not"),
    ],
    ids=["huge", "negative", "overflowing", "renamed"],
)
def test_sizes_that_were_tampered_with(entries, change, told):
    with pytest.raises(ValueError, match=told):
        read_weights(tampered(entries, change))


def test_a_damaged_file_is_told_from_a_whole_one(content):
    for at in range(0, len(content) // 2, 7):  # where the weights are
        damaged = bytearray(content)
        damaged[at] ^= 0xFF
        with pytest.raises(ValueError, match="a checksum is wrong"):
            read_weights(bytes(damaged))
    for end in range(len(content)):
        with pytest.raises(ValueError, match="checkpoint"):
            read_weights(content[:end])


@given(st.data())
def test_nothing_in_a_hostile_file_does_harm(entries, data):
    # With checksums that are right, so that the damage is met where it hurts.
    changed = [(key, bytearray(value)) for key, value in entries]
    for _ in range(data.draw(st.integers(1, 8))):
        _, value = data.draw(st.sampled_from([entry for entry in changed if entry[1]]))
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        weights = read_weights(table([(key, bytes(value)) for key, value in changed]))
    except ValueError:
        return
    assert sum(weight.nbytes for weight in weights.values()) <= 2 * sum(len(value) for _, value in entries)


@given(st.binary(max_size=200), st.booleans())
def test_nothing_in_noise_does_harm(noise, footed):
    footer = struct.pack("<Q", 0xDB4775248B80FB57) if footed else b""
    with pytest.raises(ValueError):  # noqa: PT011  whichever it is
        read_weights(noise + footer)
