"""Ingest: MIDI files, MusicXML and ABC → shards of NoteSequences, and a list of what could not be read."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kfp.dsl import Artifact, Output

from components.corpus_files import MUSIC_SUFFIXES, CorpusFile, UnreadableError, corpus_files, corpus_name
from components.file_reading import FileReading, FileToRead
from components.kubeflow import component
from components.ledger import DUPLICATE, LEDGER, READ, REJECTED, REPAIRED, FileRow
from components.reading_processes import ReadingProcesses
from kakeai.errors import KakeaiError
from kakeai.model.tfrecord import write_records
from kakeai.music.midi.batch import BATCH_BYTES
from kakeai.processors import usable_processors
from kakeai.storage import replace_folder

INFO, REJECTED_LIST = "ingest.json", "rejected.jsonl"
BATCH_FILES = 500


@dataclass
class IngestResult:
    """What a shard of a corpus came to.

    Attributes:
        num_files: Files read, each content once; those that were repaired are among them.
        num_sequences: Pieces in them.
        num_rejected: Files, and tunes of tunebooks, that could not be read; `rejected.jsonl` says why.
        num_duplicates: Files left out because an earlier one has the same content.
        num_repaired: Files of which something had to be left out; the ledger says what.
    """

    num_files: int = 0
    num_sequences: int = 0
    num_rejected: int = 0
    num_duplicates: int = 0
    num_repaired: int = 0


def ingest(
    corpus: str,
    output: Path,
    shard: int = 0,
    num_shards: int = 1,
    num_processes: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> IngestResult:
    """Read one shard of a corpus: of its files, sorted, every `num_shards`-th from number `shard` on.

    `output` gets `note_sequences-SSSSS-of-NNNNN.tfrecord`, which Magenta reads; `ledger.jsonl`, what became of
    each file (see `components.ledger`); `rejected.jsonl`, a row of path, reason and bytes for each thing that
    could not be read; and `ingest.json`, the counts. It appears whole or not at all.

    Args:
        corpus: Folder with .mid, .midi, .xml, .musicxml, .mxl and .abc files at any depth, also inside zip
            and tar archives; or one such file; local, or a gs:// address.
        output: Folder to write; one that is there is replaced.
        shard: From 0 on.
        num_shards: How many there are.
        num_processes: How many read side by side; by default one for each core. The result is the same.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus, one without music, or no such shard.
    """
    if not 0 <= shard < num_shards:
        raise KakeaiError(f"shard {shard} of {num_shards} does not exist; shards count from 0")
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        ExitStack() as archives,
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
        ReadingProcesses(corpus_name(corpus), num_processes or usable_processors()) as processes,
    ):
        all_files = corpus_files(corpus, archives)
        if not all_files:
            raise KakeaiError(f"{corpus} has no music: no {', '.join(MUSIC_SUFFIXES)} file and no archive")
        mine = all_files[shard::num_shards]
        folder = Path(aside, "shard")
        folder.mkdir()
        result = IngestResult()
        sequences = _write_down(
            processes.read(_batches(mine)), folder, result, lambda done: on_progress(done, len(mine))
        )
        write_records(folder / f"note_sequences-{shard:05d}-of-{num_shards:05d}.tfrecord", sequences)
        info = {**asdict(result), "shard": shard, "num_shards": num_shards}
        (folder / INFO).write_text(json.dumps(info, indent=1) + "\n")
        replace_folder(folder, output)
    return result


def _batches(files: Sequence[CorpusFile]) -> Iterator[tuple[list[FileToRead], list[FileRow]]]:
    """Open the files one by one; yield those to read, with a row for each of all, as its bytes alone tell."""
    first_with: dict[bytes, str] = {}  # SHA-256 → path
    to_read: list[FileToRead] = []
    rows: list[FileRow] = []
    size = 0
    for file in files:
        try:
            content = file.read()
        except UnreadableError as error:
            rows.append(FileRow(file.path, error.size, None, REJECTED, str(error)))
            continue
        sha256 = hashlib.sha256(content)
        earlier = first_with.setdefault(sha256.digest(), file.path)
        if earlier == file.path:
            rows.append(FileRow(file.path, len(content), sha256.hexdigest(), READ))
            to_read.append(FileToRead(file.path, content))
            size += len(content)
        else:
            reason = f"{earlier} has the same content"
            rows.append(FileRow(file.path, len(content), sha256.hexdigest(), DUPLICATE, reason))
        if size >= BATCH_BYTES or len(rows) >= BATCH_FILES:
            yield to_read, rows
            to_read, rows, size = [], [], 0
    yield to_read, rows


def _write_down(
    batches: Iterator[tuple[list[FileReading], list[FileRow]]],
    folder: Path,
    result: IngestResult,
    on_progress: Callable[[int], None],
) -> Iterator[bytes]:
    """Yield the sequences of all files; write the ledger and what is rejected, and count."""
    done = 0
    with (
        (folder / LEDGER).open("w", encoding="utf-8") as ledger,
        (folder / REJECTED_LIST).open("w", encoding="utf-8") as rejected,
    ):
        for readings, rows in batches:
            following = iter(readings)
            for row in rows:
                on_progress(done)
                done += 1
                complaints = [row.reason] if row.verdict == REJECTED else []
                if row.verdict == READ:
                    reading = next(following)
                    complaints = reading.complaints
                    row = _judged(row, reading)
                    yield from reading.sequences
                ledger.write(row.as_line())
                for reason in complaints:
                    rejection = {"path": row.file, "reason": reason, "bytes": row.bytes}
                    rejected.write(json.dumps(rejection) + "\n")
                result.num_files += row.verdict in (READ, REPAIRED)
                result.num_sequences += row.sequences
                result.num_rejected += len(complaints)
                result.num_duplicates += row.verdict == DUPLICATE
                result.num_repaired += row.verdict == REPAIRED
    on_progress(done)


def _judged(row: FileRow, reading: FileReading) -> FileRow:
    verdict = REJECTED if not reading.sequences else REPAIRED if reading.repair else READ
    reason = reading.repair or "; ".join(reading.complaints)
    return replace(row, verdict=verdict, reason=reason, sequences=len(reading.sequences))


@component
def ingest_component(
    corpus: str, shard: int, num_shards: int, corpus_fingerprint: str, note_sequences: Output[Artifact]
) -> NamedTuple("IngestCounts", [("num_files", int), ("num_sequences", int), ("num_rejected", int)]):  # type: ignore
    """Read one shard of a corpus; `corpus_fingerprint` is there for KFP's cache, to see a corpus change."""
    from dataclasses import asdict
    from pathlib import Path

    from components.ingest import ingest
    from components.stage import stage

    with stage("ingest") as running:
        result = ingest(corpus, Path(note_sequences.path), shard, num_shards, on_progress=running.progress)
        note_sequences.metadata.update(asdict(result))
        running.figures.update(
            shard=shard,
            files=result.num_files,
            sequences=result.num_sequences,
            rejected=result.num_rejected,
            duplicates=result.num_duplicates,
        )
    return (result.num_files, result.num_sequences, result.num_rejected)
