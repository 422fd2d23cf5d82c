"""Corpora to try Kakeai with, written as ordinary MIDI files."""

import importlib.util
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from cli.tunebook import LOWEST_PITCH, header_field, plain_tune, split_tunebook
from kakeai.extras import MissingExtraError
from kakeai.music.midi import Track, write_midi
from kakeai.outputs import check_folder
from kakeai.storage import write_whole

MAX_NAME_CHARACTERS = 60
VIOLIN = 40  # General MIDI program, counted from 0


def oneills(
    directory: Path, tunes: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Write O'Neill's Music of Ireland to `directory`, a file for each number: how many are there now.

    The tunes are those in the installed music21 package, with their repeats played; `tunes` asks for the
    first so many. Of several transcriptions of one number the first that can be read counts. Files that are
    there already are left alone. `on_progress` is called with tunes done and tunes in all.

    Raises:
        KakeaiError: music21 is not installed, or carries no such tunes, or `directory` cannot be written.
    """
    check_folder(directory, "the corpus")
    transcriptions: dict[int, list[list[str]]] = {}
    for path in sorted(_music21_corpus("oneills1850").glob("*.abc")):
        for tune in split_tunebook(path.read_text(encoding="latin-1")):
            transcriptions.setdefault(int(header_field(tune, "X")), []).append(tune)

    wanted = sorted(transcriptions)[:tunes]
    there = {int(path.name[:4]) for path in directory.glob("[0-9][0-9][0-9][0-9]-*.mid")}
    for done, number in enumerate(wanted, start=1):
        if number not in there:
            for tune in transcriptions[number]:
                content = _midi(tune)
                if content is not None:
                    write_whole(
                        directory / f"{number:04d}-{_file_name(header_field(tune, 'T'))}.mid", content
                    )
                    there.add(number)
                    break
        if on_progress:
            on_progress(done, len(wanted))
    return len(there.intersection(wanted))


def _music21_corpus(name: str) -> Path:
    """A folder of music21's corpus; found without importing music21, which takes seconds."""
    package = importlib.util.find_spec("music21")
    for place in (package.submodule_search_locations or []) if package else []:
        folder = Path(place) / "corpus" / name
        if folder.is_dir():
            return folder
    raise MissingExtraError("kakeai corpus oneills", "pipeline")


def _file_name(title: str) -> str:
    """``Wind that Shakes the Barley, The`` → ``wind-that-shakes-the-barley-the``."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_NAME_CHARACTERS].strip("-") or "untitled"


def _midi(tune: list[str]) -> bytes | None:
    """The tune as it is played, or None where note-seq cannot make sense of it."""
    from kakeai.model.data.note_sequences import note_sequence_to_score  # isort: skip  keeps note-seq's warnings unheard
    from note_seq import abc_parser, sequences_lib

    try:
        try:
            sequence = abc_parser.ABCTune(plain_tune(tune)).note_sequence
        except abc_parser.RepeatParseError:
            sequence = abc_parser.ABCTune(plain_tune(tune, repeats=False)).note_sequence
    except (abc_parser.ABCParseError, ValueError, KeyError, ZeroDivisionError):
        return None
    score = note_sequence_to_score(sequences_lib.expand_section_groups(sequence))
    notes = score.notes[score.notes["pitch"] >= LOWEST_PITCH]
    if not len(notes):
        return None
    (_, qpm), *_ = [*score.tempos.tolist(), (0.0, 120.0)]
    (_, numerator, denominator), *_ = [*score.time_signatures.tolist(), (0.0, 4, 4)]
    return write_midi([Track(header_field(tune, "T"), notes, VIOLIN)], qpm, (numerator, denominator))
