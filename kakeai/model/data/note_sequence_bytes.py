"""Scores → serialized NoteSequences, all notes at once.

Setting the fields of a proto note by note takes longer than reading the MIDI file. So its bytes are written here, a
row of slots for each note: a slot that holds nothing for this note is left out at the end. They are the very
bytes that protobuf makes of the same message: fields in the order of their numbers, zeros left out.
Field numbers: note_seq/protobuf/music.proto. Format: https://protobuf.dev/programming-guides/encoding/.
"""

import itertools
import struct
from collections.abc import Sequence

import numpy as np

from kakeai.music.score import Score

MAX_ROWS = 2**18  # notes that are serialized at once

_VARINT, _DOUBLE, _BYTES = 0, 1, 2  # wire types
_NAME_TAGS = {1 << 3 | _BYTES, 2 << 3 | _BYTES, 3 << 3 | _BYTES}  # of `id`, `filename`, `collection_name`
_MESSAGE_HEAD = 2  # bytes: tag and size of a message, which is below 128 here

# Field number and columns, each with its own number, in the order of the numbers.
_TIME_SIGNATURES = 5, {"time": 1, "numerator": 2, "denominator": 3}
_KEY_SIGNATURES = 6, {"time": 1, "key": 2, "mode": 3}
_TEMPOS = 7, {"time": 1, "qpm": 2}
_NOTES = 8, {
    "pitch": 1, "velocity": 2, "start": 3, "end": 4, "instrument": 7, "program": 8, "is_drum": 9,
}  # fmt: skip
_MIDI, _PRETTY_MIDI = 3, 2  # EncodingType, Parser
_SOURCE_INFO = bytes([13 << 3 | _BYTES, 4, 2 << 3 | _VARINT, _MIDI, 3 << 3 | _VARINT, _PRETTY_MIDI])


def note_sequence_bytes(
    scores: Sequence[Score], names: Sequence[tuple[str, str]], collection: str
) -> list[bytes]:
    """Serialize the NoteSequences of scores that were read from MIDI files.

    Args:
        scores: What was read.
        names: `id` and `filename` of each.
        collection: `collection_name` of all.
    """
    if not scores:
        return []
    metres = _messages(_TIME_SIGNATURES, [score.time_signatures for score in scores])
    keys = _messages(_KEY_SIGNATURES, [score.key_signatures for score in scores])
    tempos = _messages(_TEMPOS, [score.tempos for score in scores])
    notes = _note_messages([score.notes for score in scores])
    return [
        b"".join(
            (
                _names(name, filename, collection), _integer(4, score.ticks_per_quarter),
                own_metres, own_keys, own_tempos, own_notes, _number(9, score.total_time), _SOURCE_INFO,
            )
        )
        for score, (name, filename), own_metres, own_keys, own_tempos, own_notes in zip(
            scores, names, metres, keys, tempos, notes, strict=True
        )
    ]  # fmt: skip


def with_names(sequence: bytes, name: str, filename: str, collection: str) -> bytes:
    """Return a serialized NoteSequence with another `id`, `filename` and `collection_name`."""
    at = 0
    while at < len(sequence) and sequence[at] in _NAME_TAGS:
        length, shift, at = 0, 0, at + 1
        while True:
            length |= (sequence[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if sequence[at - 1] <= 0x7F:
                break
        at += length
    return _names(name, filename, collection) + sequence[at:]


def _note_messages(parts: Sequence[np.ndarray]) -> list[bytes]:
    """Serialize the notes of each part; of many a piece at a time, as slots take three times the memory of notes."""
    if sum(map(len, parts)) <= MAX_ROWS:
        return _messages(_NOTES, parts)
    return [
        b"".join(
            _messages(_NOTES, [part[first : first + MAX_ROWS]])[0] for first in range(0, len(part), MAX_ROWS)
        )
        for part in parts
    ]


def _names(name: str, filename: str, collection: str) -> bytes:
    return _text(1, name) + _text(2, filename) + _text(3, collection)


def _messages(field: tuple[int, dict[str, int]], parts: Sequence[np.ndarray]) -> list[bytes]:
    """Serialize the rows of each part as a repeated field of messages."""
    number, columns = field
    # As bytes: rows of several fields would be put together field by field.
    rows = np.concatenate([part.view(np.uint8) for part in parts]).view(parts[0].dtype)
    columns = {name: tag for name, tag in columns.items() if rows[name].any()}
    widths = [1 + _max_bytes(rows[name]) for name in columns]
    message = _Slots(len(rows), _MESSAGE_HEAD + sum(widths))
    at = _MESSAGE_HEAD
    for (name, tag), width in zip(columns.items(), widths, strict=True):
        message.fill(at, width, tag, rows[name])
        at += width
    message.bytes[:, 0] = number << 3 | _BYTES
    message.bytes[:, 1] = message.sizes - _MESSAGE_HEAD
    content = message.bytes[message.used].tobytes()
    ends = np.append(0, np.cumsum(message.sizes))[np.cumsum([0, *map(len, parts)])].tolist()
    return [content[start:end] for start, end in itertools.pairwise(ends)]


class _Slots:
    """A row of bytes for each message.

    Attributes:
        bytes: uint8 [rows, slots].
        used: bool [rows, slots], which of them the message has.
        sizes: int64 [rows], how many these are.
    """

    def __init__(self, num_rows: int, num_slots: int) -> None:
        """Take all slots for used until `fill` knows better."""
        self.bytes = np.empty((num_rows, num_slots), np.uint8)
        self.used = np.ones(self.bytes.shape, np.bool_)
        self.sizes = np.full(num_rows, num_slots)

    def fill(self, at: int, width: int, number: int, values: np.ndarray) -> None:
        """Write the tags and values of a field into `width` slots from `at` on."""
        if values.dtype.kind == "f":
            self.bytes[:, at] = number << 3 | _DOUBLE
            self.bytes[:, at + 1 : at + width].view("<f8")[:, 0] = values
            self._leave_out(values == 0, at, width)
            return
        self.bytes[:, at] = number << 3 | _VARINT
        self._leave_out(values == 0, at, 1)
        values = values.astype(np.uint32)
        for slot in range(at + 1, at + width):
            self.bytes[:, slot] = values & 0x7F | (values > 0x7F) << 7
            self._leave_out(values == 0, slot, 1)
            values >>= 7

    def _leave_out(self, absent: np.ndarray, at: int, width: int) -> None:
        rows = np.flatnonzero(absent)
        self.used[rows, at : at + width] = False
        self.sizes[rows] -= width


def _max_bytes(values: np.ndarray) -> int:
    """How many bytes the longest of these numbers takes."""
    return 8 if values.dtype.kind == "f" else -(-int(values.max()).bit_length() // 7)


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)


def _text(number: int, text: str) -> bytes:
    content = text.encode()
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content if content else b""


def _integer(number: int, value: int) -> bytes:
    return bytes([number << 3 | _VARINT]) + _varint(value) if value else b""


def _number(number: int, value: float) -> bytes:
    return bytes([number << 3 | _DOUBLE]) + struct.pack("<d", value) if value else b""
