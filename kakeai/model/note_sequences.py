"""Scores and files as `note_seq.NoteSequence`."""

import hashlib
import io
import os
import tempfile
import warnings
import zipfile

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.music.midi import read_midi
from kakeai.music.score import (
    KEY_SIGNATURE,
    MAX_PITCH,
    MAX_SECONDS,
    MIN_PITCH,
    NOTE,
    TEMPO,
    TIME_SIGNATURE,
    Score,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pydub, which note-seq loads: no ffmpeg, deprecated modules
    from note_seq import abc_parser, musicxml_reader
    from note_seq.protobuf import music_pb2

MAX_QPM = 6e7  # one microsecond a quarter note, the fastest that MIDI can say
MAX_MXL_BYTES = 64 * 2**20  # unpacked


class NotReadableError(KakeaiError):
    """A file with no music that can be read; says why."""


def read_note_sequences(
    path: str, content: bytes, collection: str
) -> tuple[list[music_pb2.NoteSequence], list[str]]:
    """Read a file by its suffix: MIDI with Kakeai's reader, MusicXML and ABC with note-seq's.

    Each piece gets the `id`, `filename`, `collection_name` and `source_info` that Magenta's
    `convert_dir_to_note_sequences` gives it.

    Args:
        path: Where the file lies in its collection.
        content: Its bytes.
        collection: Name of the collection.

    Returns:
        The pieces in the file, of which a tunebook has many, and why others in it cannot be read.

    Raises:
        KakeaiError: Nothing in the file can be read.
    """
    suffix = os.path.splitext(path.lower())[1]
    complaints: list[str] = []
    if suffix == ".abc":
        kind = "abc"
        pieces, complaints = _read_tunebook(content)
    elif suffix in (".xml", ".musicxml", ".mxl"):
        kind = "musicxml"
        pieces = {"": _read_musicxml(content, suffix)}
    else:
        kind = "midi"
        pieces = {"": score_to_note_sequence(read_midi(content))}
    for name, piece in pieces.items():
        if kind != "midi":
            _refuse_impossible(piece)
        piece.filename, piece.collection_name = path, collection
        piece.id = f"/id/{kind}/{collection}/{hashlib.sha1((path + name).encode()).hexdigest()}"
    return list(pieces.values()), complaints


def _read_tunebook(content: bytes) -> tuple[dict[str, music_pb2.NoteSequence], list[str]]:
    """Return the tunes of an ABC tunebook by what Magenta adds to the path for each one's id."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        tunes, errors = abc_parser.parse_abc_tunebook(text)
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
        with tempfile.NamedTemporaryFile(suffix=".mxl" if suffix == ".mxl" else ".xml") as file:
            file.write(content)
            file.flush()
            return musicxml_reader.musicxml_file_to_sequence_proto(file.name)
    except KakeaiError:
        raise
    except Exception as error:  # also what neither note-seq nor zipfile foresaw
        raise NotReadableError(f"note-seq cannot read this MusicXML: {_sentence(error)}") from None


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


def score_to_note_sequence(score: Score) -> music_pb2.NoteSequence:
    """Make the NoteSequence that `note_seq.midi_io.midi_to_note_sequence` makes of the bytes behind `score`.

    Names of instruments, control changes and pitch bends are left out.
    """
    sequence = music_pb2.NoteSequence(ticks_per_quarter=score.ticks_per_quarter, total_time=score.total_time)
    sequence.source_info.parser = music_pb2.NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = music_pb2.NoteSequence.SourceInfo.MIDI
    for time, numerator, denominator in score.time_signatures.tolist():
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for time, key, mode in score.key_signatures.tolist():
        sequence.key_signatures.add(time=time, key=key, mode=mode)
    for time, qpm in score.tempos.tolist():
        sequence.tempos.add(time=time, qpm=qpm)
    add = sequence.notes.add
    for pitch, velocity, start, end, instrument, program, is_drum in score.notes.tolist():
        add(
            pitch=pitch, velocity=velocity, start_time=start, end_time=end,
            instrument=instrument, program=program, is_drum=is_drum,
        )  # fmt: skip
    return sequence


def note_sequence_to_score(sequence: music_pb2.NoteSequence) -> Score:
    """Return the score of a NoteSequence, in its own order of notes."""
    return Score(
        notes=np.array(
            [
                (n.pitch, n.velocity, n.start_time, n.end_time, n.instrument, n.program, n.is_drum)
                for n in sequence.notes
            ],
            NOTE,
        ),
        tempos=np.array([(t.time, t.qpm) for t in sequence.tempos], TEMPO),
        time_signatures=np.array(
            [(t.time, t.numerator, t.denominator) for t in sequence.time_signatures], TIME_SIGNATURE
        ),
        key_signatures=np.array([(k.time, k.key, k.mode) for k in sequence.key_signatures], KEY_SIGNATURE),
        total_time=sequence.total_time,
        ticks_per_quarter=sequence.ticks_per_quarter,
    )
