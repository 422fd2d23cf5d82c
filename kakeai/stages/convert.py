"""Convert: NoteSequences → a dataset of melodies, some of the files held out."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.melodies.extracted import (
    ExtractedFile,
    extract_files,
    fingerprint,
    read_extracted,
    write_extracted,
)
from kakeai.melodies.ledger import REASONS, Loss, Losses
from kakeai.melodies.split import RULE, Split
from kakeai.model.configs import config_named
from kakeai.model.data.dataset import EVAL, INFO, TRAINING, DatasetInfo, write_dataset, write_dataset_info
from kakeai.music.extraction import MAGENTA, Extraction
from kakeai.music.melody import MAX_PITCH, transposed
from kakeai.outputs import StageFiles, check_output, replaced_folder
from kakeai.reading.ingested import Ingested
from kakeai.reading.ledger import LEDGER, REJECTED, FileRow


@dataclass(frozen=True)
class ConvertResult:
    """What became of the pieces.

    Attributes:
        num_files: Source files, each content once.
        num_note_sequences: Pieces in them.
        num_training_melodies: Melodies to learn from, transposed copies counted in.
        num_eval_melodies: Melodies held out.
        num_transposed: How many of the training melodies are transposed copies.
        dropped: How much music each reason kept out, the most frequent first.
        warning: A sentence to show, empty for none.
    """

    num_files: int
    num_note_sequences: int
    num_training_melodies: int
    num_eval_melodies: int
    num_transposed: int
    dropped: dict[str, Loss]
    warning: str


def convert(
    note_sequences: Sequence[Path],
    output: Path,
    config: str,
    eval_ratio: float = 0.1,
    extraction: Extraction = MAGENTA,
    transpose: str = "",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConvertResult:
    """Extract the melodies of all pieces, and hold the files out that the hash of their content chooses.

    A file thus stays on its side in every later run. Where that leaves a side without melodies, the file with
    the smallest hash alone is held out. A melody that occurs on both sides is dropped from the held-out one.
    Memory holds a few pieces at a time; what is found waits in a file beside `output`.

    Args:
        note_sequences: Folders that `ingest` wrote, in any order.
        output: Folder to write (see `kakeai.model.data.dataset`), with a ledger of every file and track (see
            `kakeai.melodies.ledger`): a new or empty one, or one that convert wrote, which is replaced.
        config: Name of the configuration that will be trained.
        eval_ratio: Share of the files to hold out, from 0 to 1.
        extraction: What counts as a melody.
        transpose: Semitones by which to add copies of each training melody, such as -5..6; a copy with a note
            outside 0..127 is not made.
        on_progress: Called with pieces done and pieces in all.

    Raises:
        KakeaiError: A bad argument, a damaged folder, an output that may not be replaced, or no melody at all; the
            ledger then lies beside `output`.
    """

    transpose_to_key = config_named(config).transpose_to_key
    if not 0 <= eval_ratio < 1:
        raise KakeaiError(f"--eval-ratio must lie from 0 to below 1, not {eval_ratio}")
    distances = semitones(transpose)
    files = StageFiles("convert", INFO, (TRAINING, EVAL, LEDGER))
    check_output(output, files, [("the NoteSequences", folder) for folder in note_sequences])
    ingested = Ingested(note_sequences)

    with replaced_folder(output, files) as folder:
        extracted = folder.with_name("extracted")
        split = Split(eval_ratio)
        sources = _Sources()

        def seen() -> Iterator[ExtractedFile]:
            for file in extract_files(ingested, extraction, on_progress):
                sources.add(file.row)
                split.add(file)
                yield file

        write_extracted(extracted, seen())
        if not split.num_files:
            raise KakeaiError(_why_nothing(read_extracted(extracted), sources, output))

        learned: set[bytes] = set()
        count: Counter[str] = Counter()
        losses = Losses()

        def training() -> Iterator[tuple[np.ndarray, str]]:
            for file in read_extracted(extracted):
                if split.holds_out(file.row):
                    continue
                for melody in file.melodies:
                    copies = [copy for by in distances if (copy := transposed(melody, by)) is not None]
                    for version in (melody, *copies):
                        learned.add(fingerprint(version))
                        yield version, file.row.file
                    count["training"] += 1 + len(copies)
                    count["transposed"] += len(copies)

        def held_out() -> Iterator[tuple[np.ndarray, str]]:
            with (folder / LEDGER).open("w", encoding="utf-8") as ledger:
                for file in read_extracted(extracted):
                    side = "training"
                    if split.holds_out(file.row):
                        side, file = "eval", file.without(learned)
                        for melody in file.melodies:
                            count["eval"] += 1
                            yield melody, file.row.file
                    for row in losses.rows(file, side):
                        ledger.write(json.dumps(row, ensure_ascii=False) + "\n")

        write_dataset(folder / TRAINING, training())
        write_dataset(folder / EVAL, held_out())
        result = ConvertResult(
            num_files=sources.num_files,
            num_note_sequences=sources.num_sequences,
            num_training_melodies=count["training"],
            num_eval_melodies=count["eval"],
            num_transposed=count["transposed"],
            dropped=losses.most_first(),
            warning=_TRANSPOSED_BACK.format(config) if distances and transpose_to_key is not None else "",
        )
        info = DatasetInfo(
            config=config,
            eval_ratio=eval_ratio,
            split=RULE,
            fingerprint=sources.fingerprint(),
            num_files=result.num_files,
            num_rejected=sources.num_rejected,
            num_note_sequences=result.num_note_sequences,
            num_training_melodies=result.num_training_melodies,
            num_eval_melodies=result.num_eval_melodies,
            dropped={reason: loss.times for reason, loss in result.dropped.items()},
            extraction=asdict(extraction),
            transpose=transpose,
            num_transposed=result.num_transposed,
        )
        write_dataset_info(folder, info)
    return result


_TRANSPOSED_BACK = (
    "{} moves every melody to one key and into its range before it learns, so most transposed copies come to what "
    "it has already: they make its epochs longer and little else; mono_rnn learns from them"
)


def semitones(text: str) -> list[int]:
    """Return the distances in a range such as -5..6, without 0; none where the text is empty.

    Raises:
        KakeaiError: It is no range.
    """
    if not text:
        return []
    bounds = re.fullmatch(r"(-?\d{1,3})\.\.(-?\d{1,3})", text)
    low, high = map(int, bounds.groups()) if bounds else (1, 0)
    if not -MAX_PITCH <= low <= high <= MAX_PITCH:
        raise KakeaiError(f"--transpose must be a range of semitones such as -5..6, not {text}")
    return [by for by in range(low, high + 1) if by]


class _Sources:
    """The files that gave NoteSequences: their number and what tells the corpus from others."""

    def __init__(self) -> None:
        self.num_files = self.num_sequences = self.num_rejected = 0
        self._hash = hashlib.sha256()

    def add(self, file: FileRow) -> None:
        self.num_rejected += file.verdict == REJECTED
        if file.sequences:
            self.num_files += 1
            self.num_sequences += file.sequences
            self._hash.update(f"{file.file}\0{file.sha256}\n".encode())

    def fingerprint(self) -> str:
        return self._hash.hexdigest()


def _why_nothing(files: Iterable[ExtractedFile], sources: _Sources, output: Path) -> str:
    losses = Losses()
    unreadable: Counter[str] = Counter()
    ledger = output.with_name(f"{output.name}.{LEDGER}")
    with ledger.open("w", encoding="utf-8") as lines:
        for file in files:
            unreadable[file.row.reason] += file.row.verdict == REJECTED
            for row in losses.rows(file, "training"):
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    told = f"{ledger} tells of every file and track"
    if not sources.num_sequences:
        ((reason, _),) = unreadable.most_common(1) or [("it is empty", 0)]
        return f"nothing in the corpus can be read, most often for this reason: {reason}; {told}"
    counts = ", ".join(
        f"{loss.times:,} × {REASONS[reason].words}" for reason, loss in losses.most_first().items()
    )
    advice = REASONS[next(iter(losses.most_first()))].advice
    return f"no melody can be used of the {sources.num_sequences:,} pieces in the corpus: {counts}. {advice}; {told}"
