"""TFRecord files, read and written without TensorFlow.

Each record is its length (64 bits), a checksum of the length, the content, and a checksum of that; the
checksums are CRC-32C, masked as in ``tensorflow/core/lib/hash/crc32c.h``.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import google_crc32c

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_BUFFER_BYTES = 1 << 20


def masked_checksum(content: bytes) -> bytes:
    """Return the four bytes that TensorFlow keeps beside `content` to know it again."""
    crc = google_crc32c.value(content)
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a file of records as they come."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        for record in records:
            length = _LENGTH.pack(len(record))
            file.write(b"".join((length, masked_checksum(length), record, masked_checksum(record))))


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file, one at a time in memory.

    Raises:
        OSError: There is no such file.
        ValueError: It is cut short, or a checksum is wrong.
    """
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        left = os.fstat(file.fileno()).st_size
        while header := file.read(_LENGTH.size + _CHECKSUM.size):
            length_bytes = header[: _LENGTH.size]
            if masked_checksum(length_bytes) != header[_LENGTH.size :]:
                raise ValueError("a record's length is damaged")
            (length,) = _LENGTH.unpack(length_bytes)
            left -= len(header) + length + _CHECKSUM.size
            if left < 0:
                raise ValueError("the last record is cut short")
            record = file.read(length)
            if masked_checksum(record) != file.read(_CHECKSUM.size):
                raise ValueError("a record is damaged")
            yield record
