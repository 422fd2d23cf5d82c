"""MusicXML and ABC → NoteSequences, with note-seq's parsers, and with limits of our own."""

import io
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from kakeai.disk import temporary_disk_errors
from kakeai.errors import KakeaiError
from kakeai.model.data.note_sequences import note_sequence_to_score
from kakeai.music.score import MAX_PITCH, MAX_SECONDS, MIN_PITCH

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pydub, which note-seq loads: no ffmpeg, deprecated modules
    from note_seq import abc_parser, musicxml_reader
    from note_seq.protobuf import music_pb2

MAX_QPM = 6e7  # one microsecond a quarter note, the fastest that MIDI can say
MAX_MXL_BYTES = 16 * 2**20  # unpacked; as large as ingest reads a plain one
MUSICXML_SUFFIXES, ABC_SUFFIX = (".xml", ".musicxml", ".mxl"), ".abc"


class NotReadableError(KakeaiError):
    """A file with no music that can be read; says why."""


def read_notation(content: bytes, suffix: str) -> tuple[dict[str, music_pb2.NoteSequence], list[str]]:
    """Read a file with note-seq.

    Args:
        content: Its bytes.
        suffix: One of MUSICXML_SUFFIXES, or ABC_SUFFIX.

    Returns:
        The pieces, by what Magenta adds to the file's path for each one's id; and why others cannot be read.

    Raises:
        NotReadableError: Nothing in the file can be read.
        DiskError: The disk for temporary files, where note-seq reads MusicXML from, takes no more.
        MemoryError: The file needs more memory than this process may have.
    """
    if suffix == ABC_SUFFIX:
        pieces, complaints = _read_tunebook(content)
    else:
        pieces, complaints = {"": _read_musicxml(content, suffix)}, []
    for piece in pieces.values():
        _refuse_impossible(piece)
    return pieces, complaints


def _read_tunebook(content: bytes) -> tuple[dict[str, music_pb2.NoteSequence], list[str]]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        tunes, errors = abc_parser.parse_abc_tunebook(text)
    except MemoryError:
        raise
    except Exception as error:  # the parser also raises what its own regular expressions let through
        raise NotReadableError(f"note-seq cannot read this ABC: {_sentence(error)}") from None
    complaints = [f"note-seq cannot read one of the tunes: {_sentence(error)}" for error in errors]
    if not tunes:
        raise NotReadableError(complaints[0] if complaints else "there is no tune in it")
    return {f"_{number}": tune for number, tune in tunes.items()}, complaints


def _read_musicxml(content: bytes, suffix: str) -> music_pb2.NoteSequence:
    try:
        documents = [content]
        if suffix == ".mxl":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                if sum(info.file_size for info in packed.infolist()) > MAX_MXL_BYTES:
                    raise NotReadableError(f"it unpacks to over {MAX_MXL_BYTES >> 20} MiB")
                documents = [packed.read(info) for info in packed.infolist()]
        # No score needs entities of its own; in a hostile one they multiply. UTF-16 has zeros in between.
        if any(b"<!ENTITY" in document.replace(b"\0", b"") for document in documents):
            raise NotReadableError("it defines XML entities, which no score needs")
        with _temporary_file(content, ".mxl" if suffix == ".mxl" else ".xml") as name:
            return musicxml_reader.musicxml_file_to_sequence_proto(name)
    except (KakeaiError, MemoryError):
        raise
    except Exception as error:  # also what neither note-seq nor zipfile foresaw
        raise NotReadableError(f"note-seq cannot read this MusicXML: {_sentence(error)}") from None


@contextmanager
def _temporary_file(content: bytes, suffix: str) -> Iterator[str]:
    with ExitStack() as opened:
        with temporary_disk_errors():
            file = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kakeai-")), f"score{suffix}")
            file.write_bytes(content)
        yield str(file)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _refuse_impossible(piece: music_pb2.NoteSequence) -> None:
    """Keep from later stages what only a damaged or hostile score can say; `read_midi` has its own limits."""
    try:
        score = note_sequence_to_score(piece)
    except OverflowError:
        raise NotReadableError("it holds numbers that music does not have") from None
    starts, ends, qpm = score.notes["start"], score.notes["end"], score.tempos["qpm"]
    times = [starts, ends, score.tempos["time"], score.time_signatures["time"], np.array([score.total_time])]
    if not all(((time >= 0) & (time <= MAX_SECONDS)).all() for time in times) or (ends < starts).any():
        raise NotReadableError("it has notes or changes of tempo or metre at impossible times")
    if not ((qpm > 0) & (qpm <= MAX_QPM)).all():
        raise NotReadableError("it has an impossible tempo")
    if ((score.notes["pitch"] < MIN_PITCH) | (score.notes["pitch"] > MAX_PITCH)).any():
        raise NotReadableError(f"it has pitches outside {MIN_PITCH}..{MAX_PITCH}")
