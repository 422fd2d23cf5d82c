"""TFRecord files, read and written without TensorFlow.

Each record is its length (64 bits), a checksum of the length, the content, and a checksum of that; the
checksums are CRC-32C, masked as in ``tensorflow/core/lib/hash/crc32c.h``.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import google_crc32c

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_BUFFER_BYTES = 1 << 20


def masked_checksum(content: bytes) -> bytes:
    """Return the four bytes that TensorFlow keeps beside `content` to know it again."""
    crc = google_crc32c.value(content)
    return _CHECKSUM.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(record: bytes) -> bytes:
    """Return a record with its length and the checksums, as it stands in a file."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, masked_checksum(length), record, masked_checksum(record)))


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a file of records as they come."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        file.writelines(map(framed, records))


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file, one at a time in memory.

    Raises:
        OSError: There is no such file.
        ValueError: It is cut short, or a checksum is wrong.
    """
    with path.open("rb", buffering=_BUFFER_BYTES) as file:
        yield from records_in(file)


def records_in(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the records of an open file from where it stands; otherwise as `read_records`."""
    left = os.fstat(file.fileno()).st_size - file.tell()
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
