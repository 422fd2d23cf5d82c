"""Files of any kind → serialized NoteSequences, a batch at a time."""

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from kakeai.corpus.sizes import MIDI_SUFFIXES
from kakeai.disk import DiskError
from kakeai.errors import KakeaiError
from kakeai.model.data.note_sequence_bytes import note_sequence_bytes, with_names
from kakeai.music.midi import MidiError, mend_midi, read_midi_files
from kakeai.music.score import Score


class FileToRead(NamedTuple):
    """A file's path in its collection, and its bytes."""

    path: str
    content: bytes


class FileReading(NamedTuple):
    """What came out of a file.

    Attributes:
        sequences: Serialized NoteSequences, of which a tunebook has many.
        complaints: Why the file, or each of some tunes in it, cannot be read.
        repair: What was left out of a file to read it; empty if nothing was.
        lasting: Whether another try would come to the same; not so where a reader was ended over it.
    """

    sequences: list[bytes]
    complaints: list[str]
    repair: str = ""
    lasting: bool = True


def read_files(files: Sequence[FileToRead], collection: str) -> list[FileReading]:
    """Read files by their suffixes: MIDI with Kakeai's reader, MusicXML and ABC with note-seq's.

    Each piece gets the `id`, `filename`, `collection_name` and `source_info` that Magenta's
    `convert_dir_to_note_sequences` gives it. What cannot be read is no error but a complaint.

    Raises:
        DiskError: The disk for temporary files takes no more.
        MemoryError: The files need more memory than this process may have.
    """
    midi = [number for number, file in enumerate(files) if file.path.lower().endswith(MIDI_SUFFIXES)]
    readings = dict(zip(midi, _read_midi_files([files[number] for number in midi], collection), strict=True))
    return [
        readings[number] if number in readings else _read_other(file, collection)
        for number, file in enumerate(files)
    ]


def renamed(sequence: bytes, path: str, collection: str) -> bytes:
    """Return the NoteSequence of a MIDI file as it would be under another path or in another collection."""
    return with_names(sequence, _id("midi", collection, path), path, collection)


def _read_midi_files(files: Sequence[FileToRead], collection: str) -> list[FileReading]:
    scores = read_midi_files([file.content for file in files])
    mended = {
        number: mending
        for number, score in enumerate(scores)
        if isinstance(score, MidiError) and (mending := mend_midi(files[number].content))
    }
    for number, score in zip(
        mended, read_midi_files([content for content, _ in mended.values()]), strict=True
    ):
        scores[number] = score
    read = [number for number, score in enumerate(scores) if isinstance(score, Score)]
    paths = [files[number].path for number in read]
    sequences = note_sequence_bytes(
        [score for score in scores if isinstance(score, Score)],
        [(_id("midi", collection, path), path) for path in paths],
        collection,
    )
    readings = {
        number: FileReading([sequence], [], mended[number][1] if number in mended else "")
        for number, sequence in zip(read, sequences, strict=True)
    }
    return [
        readings[number] if number in readings else FileReading([], [str(score)])
        for number, score in enumerate(scores)
    ]


def _read_other(file: FileToRead, collection: str) -> FileReading:
    from kakeai.model.data.notation import ABC_SUFFIX, read_notation

    suffix = os.path.splitext(file.path.lower())[1]
    kind = "abc" if suffix == ABC_SUFFIX else "musicxml"
    try:
        pieces, complaints = read_notation(file.content, suffix)
    except DiskError:
        raise
    except KakeaiError as error:
        return FileReading([], [str(error)])
    for name, piece in pieces.items():
        piece.id = _id(kind, collection, file.path + name)
        piece.filename, piece.collection_name = file.path, collection
    return FileReading([piece.SerializeToString() for piece in pieces.values()], complaints)


def _id(kind: str, collection: str, path: str) -> str:
    return f"/id/{kind}/{collection}/{hashlib.sha1(path.encode()).hexdigest()}"
