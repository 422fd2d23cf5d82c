"""Serialised NoteSequences → scores, many at once.

A NoteSequence's notes are most of its bytes. They are left serialised by the parser, and decoded here as
columns: nearly all have the same fields in the same places, so that each field is one slice of a matrix.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kakeai.music.score import KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Score
from kakeai.protos.kakeai.formats_pb2 import NoteSequence

_NOTE_FIELDS = {
    1: "pitch", 2: "velocity", 3: "start", 4: "end", 7: "instrument", 8: "program", 9: "is_drum",
}  # fmt: skip

# The wire format's kinds of values (protobuf.dev, "Encoding").
_VARINT, _FIXED64 = 0, 1
_MORE = 0x80  # set in each byte of a varint but the last


class Piece(NamedTuple):
    """A stored NoteSequence.

    Attributes:
        filename: The file that it is from.
        score: What it holds, its notes in their own order.
    """

    filename: str
    score: Score


def read_pieces(records: Sequence[bytes]) -> list[Piece]:
    """Parse serialised NoteSequences.

    Raises:
        ValueError: A record is no NoteSequence, or holds numbers that a score cannot.
    """
    try:
        messages = [NoteSequence.FromString(record) for record in records]
    except Exception:  # protobuf's own kind, which is no ValueError
        raise ValueError("a record is no NoteSequence") from None
    serialised = [note for message in messages for note in message.notes]
    notes = decode_notes(serialised)
    ends = np.cumsum([len(message.notes) for message in messages])
    try:
        return [
            Piece(
                message.filename,
                Score(
                    notes=notes[end - len(message.notes) : end],
                    tempos=np.array([(t.time, t.qpm) for t in message.tempos], TEMPO),
                    time_signatures=np.array(
                        [(t.time, t.numerator, t.denominator) for t in message.time_signatures],
                        TIME_SIGNATURE,
                    ),
                    key_signatures=np.array(
                        [(k.time, k.key, k.mode) for k in message.key_signatures], KEY_SIGNATURE
                    ),
                    total_time=message.total_time,
                    ticks_per_quarter=message.ticks_per_quarter,
                ),
            )
            for message, end in zip(messages, ends.tolist(), strict=True)
        ]
    except OverflowError:
        raise ValueError("a NoteSequence holds numbers that music does not have") from None


def decode_notes(serialised: Sequence[bytes]) -> np.ndarray:
    """Decode serialised `NoteSequence.Note` messages: NOTE[n].

    Raises:
        ValueError: One of them is no note, or has a number too large for its column.
    """
    notes = np.zeros(len(serialised), NOTE)
    lengths = np.fromiter(map(len, serialised), np.int64, len(serialised))
    content = np.frombuffer(b"".join(serialised), np.uint8)
    begins = np.cumsum(lengths) - lengths
    for length in np.unique(lengths[lengths > 0]).tolist():
        mine = np.flatnonzero(lengths == length)
        matrix = sliding_window_view(content, length)[begins[mine]]
        while len(mine):
            layout = _layout(matrix[0].tobytes())
            alike = ((matrix & layout.mask) == layout.structure).all(axis=1)
            for name, kind, at, size in layout.fields:
                values = _values(kind, matrix[alike, at : at + size])
                column = values.astype(NOTE[name])
                if kind == _VARINT and NOTE[name] != np.bool_ and (column != values).any():
                    raise ValueError(f"a note's {name} is out of range")
                notes[name][mine[alike]] = column
            matrix, mine = matrix[~alike], mine[~alike]
    return notes


class _Layout(NamedTuple):
    """Where a serialised note's fields are.

    Attributes:
        fields: Column's name, kind of value, first byte and bytes of each.
        mask: uint8 [length], the bits that say where which field is,
        structure: uint8 [length], and what they are in this layout.
    """

    fields: list[tuple[str, int, int, int]]
    mask: np.ndarray
    structure: np.ndarray


def _layout(note: bytes) -> _Layout:
    fields = []
    mask = np.zeros(len(note), np.uint8)
    at = 0
    while at < len(note):
        number, kind = note[at] >> 3, note[at] & 7  # all of a note's fields have tags of one byte
        mask[at] = 0xFF
        begin = at = at + 1
        if kind == _FIXED64:
            at += 8
        elif kind == _VARINT:
            while at < len(note) and note[at] & _MORE:
                at += 1
            at += 1
            mask[begin:at] = _MORE
        else:
            raise ValueError("a note has a field of a kind that notes do not have")
        expected = _FIXED64 if number in (3, 4) else _VARINT
        if at > len(note) or note[begin - 1] & _MORE or (number in _NOTE_FIELDS and kind != expected):
            raise ValueError("a note is damaged")
        if number in _NOTE_FIELDS:
            fields.append((_NOTE_FIELDS[number], kind, begin, at - begin))
    return _Layout(fields, mask, np.frombuffer(note, np.uint8) & mask)


def _values(kind: int, columns: np.ndarray) -> np.ndarray:
    """Return the numbers in uint8 [n, size]: float64 [n] or int64 [n]."""
    if kind == _FIXED64:
        return np.ascontiguousarray(columns).view("<f8")[:, 0]
    groups = (columns & 0x7F).astype(np.int64)
    return (groups << (7 * np.arange(columns.shape[1]))).sum(axis=1)
