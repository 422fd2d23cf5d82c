"""The weights in a checkpoint of TensorFlow's first format, which is the one that a `.mag` holds.

TensorFlow's own reader believes what a file says of itself: where names and sizes were tampered with, it waits ten
seconds for each variable that is not there, and asks for memory without bounds. Here nothing is made that is larger
than the bytes that are there.

A checkpoint is a table of LevelDB's kind (https://github.com/google/leveldb/blob/main/doc/table_format.md). The value
of its empty key tells each variable's shape, every other value is one variable's content
(`tensorflow/core/util/saved_tensor_slice.proto`).
"""

import struct
from collections.abc import Iterator

import numpy as np
from google.protobuf.message import DecodeError
from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

from kakeai.model.data.tfrecord import masked_checksum

LARGEST = 2**28  # bytes that a checkpoint may unpack to; the largest published one has 20 MB
MOST_VARIABLES = 1000  # a MelodyRNN has some ten, three times as many with its optimiser's

_DT_FLOAT = 1  # tensorflow/core/framework/types.proto
_FOOTER = struct.Struct("<40sQ")  # where the index lies, and the magic number
_MAGIC = 0xDB4775248B80FB57
_UINT32 = struct.Struct("<I")
_PLAIN, _SNAPPY = 0, 1  # how a block is compressed
_TRAILER_BYTES = 5  # after each block: its compression and a checksum


def read_weights(content: bytes) -> dict[str, np.ndarray]:
    """Return the float32 variables of a checkpoint by name; others, such as the global step, are left out.

    Raises:
        ValueError: It is no checkpoint, or a damaged one; says how.
    """
    try:
        return _weights(_entries(content))
    except (IndexError, struct.error, DecodeError):
        raise ValueError("it is no checkpoint of TensorFlow's first format, or a damaged one") from None


def _weights(entries: Iterator[tuple[int, bytes]]) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {}
    values: dict[str, np.ndarray] = {}
    for key_length, value in entries:
        saved = SavedTensorSlices.FromString(value)
        if key_length == 0:
            for told in saved.meta.tensor:
                if told.type == _DT_FLOAT:
                    shapes[told.name] = tuple(dim.size for dim in told.shape.dim)
            continue
        if any(extent.HasField("length") for extent in saved.data.slice.extent):
            raise ValueError(f"its variable {saved.data.name} is saved in parts")
        values[saved.data.name] = np.array(saved.data.data.float_val, np.float32)
    weights = {}
    for name, shape in shapes.items():
        count = int(np.prod(np.array(shape, object))) if min(shape, default=1) >= 0 else -1
        if name not in values or len(values[name]) != count:
            raise ValueError(f"its variable {name} has not the {shape} numbers that it should have")
        weights[name] = values[name].reshape(shape)
    return weights


def _entries(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the length of each key of the table, and its value."""
    handles, magic = _FOOTER.unpack(content[-_FOOTER.size :])
    if magic != _MAGIC:
        raise ValueError("it is no checkpoint of TensorFlow's first format")
    position = 0
    for _ in range(2):  # the metaindex, which is empty
        _, position = _varint(handles, position)
    index, _ = _block(content, handles, position)
    unpacked = num_entries = 0
    for _, handle in _block_entries(index):
        block, size = _block(content, handle, 0)
        unpacked += size
        if unpacked > LARGEST:
            raise ValueError(f"it unpacks to more than {LARGEST >> 20} MiB")
        for entry in _block_entries(block):
            num_entries += 1
            if num_entries > MOST_VARIABLES:
                raise ValueError(f"it has more than {MOST_VARIABLES:,} variables")
            yield entry


def _block_entries(block: bytes) -> Iterator[tuple[int, bytes]]:
    # A key is told by what it shares with the one before; its length is all that is asked of it here.
    (num_restarts,) = _UINT32.unpack(block[-_UINT32.size :])
    end = len(block) - _UINT32.size * (num_restarts + 1)
    position = 0
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        position += unshared
        if position + length > end:
            raise ValueError("it is cut short")
        yield shared + unshared, block[position : position + length]
        position += length


def _block(content: bytes, handle: bytes, position: int) -> tuple[bytes, int]:
    """Return the block that a handle points to, and how many bytes it has."""
    offset, position = _varint(handle, position)
    size, _ = _varint(handle, position)
    stored = content[offset : offset + size + _TRAILER_BYTES]
    if len(stored) != size + _TRAILER_BYTES:
        raise ValueError("it is cut short")
    if masked_checksum(stored[:-4]) != stored[-4:]:
        raise ValueError("its content was changed: a checksum is wrong")
    block, compression = stored[:size], stored[size]
    if compression == _SNAPPY:
        block = unpack_snappy(block)
    elif compression != _PLAIN:
        raise ValueError("it is compressed in an unknown way")
    return block, len(block)


def unpack_snappy(packed: bytes) -> bytes:
    """Return what Snappy packed (https://github.com/google/snappy/blob/main/format_description.txt).

    Raises:
        ValueError: It is damaged.
        IndexError: It is cut short.
    """
    length, position = _varint(packed, 0)
    if length > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST >> 20} MiB")
    unpacked = bytearray()
    while position < len(packed) and len(unpacked) <= length:
        tag = packed[position]
        position += 1
        kind, size = tag & 3, tag >> 2
        if kind == 0:  # bytes as they are
            if size >= 60:  # their number follows, in up to four bytes
                width = size - 59
                size = int.from_bytes(packed[position : position + width], "little")
                position += width
            unpacked += packed[position : position + size + 1]
            position += size + 1
            continue
        if kind == 1:  # bytes again that came before, by a distance of 11, 16 or 32 bits
            copied, distance = (size & 7) + 4, tag >> 5 << 8 | packed[position]
            position += 1
        else:
            width = 2 if kind == 2 else 4
            copied, distance = size + 1, int.from_bytes(packed[position : position + width], "little")
            position += width
        if not 0 < distance <= len(unpacked):
            raise ValueError("it is packed wrongly")
        pattern = unpacked[-distance:][:copied]
        unpacked += (pattern * (copied // len(pattern) + 1))[:copied]
    if len(unpacked) != length:
        raise ValueError("it is packed wrongly")
    return bytes(unpacked)


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the lowest first, and where it ends."""
    number = shift = 0
    while shift < 64:
        byte = content[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise ValueError("a number in it has no end")
