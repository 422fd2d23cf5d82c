"""Ingest: MIDI files, MusicXML and ABC → shards of NoteSequences, and a list of what could not be read."""

import heapq
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from kakeai.corpus.files import Corpus, as_text
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.corpus.surveyed import read_survey
from kakeai.errors import KakeaiError
from kakeai.manifest import MANIFEST, ManifestRow, read_manifest
from kakeai.model.data.tfrecord import write_records
from kakeai.music.midi.batch import BATCH_BYTES
from kakeai.outputs import StageFiles, check_output, replaced_folder
from kakeai.processors import usable_processors
from kakeai.reading.contents import Content, contents
from kakeai.reading.formats import FileReading, FileToRead
from kakeai.reading.ingested import INFO
from kakeai.reading.ledger import DUPLICATE, LEDGER, READ, REJECTED, REPAIRED, FileRow
from kakeai.reading.packs import NewPack, Packs, new_pack, open_packs
from kakeai.reading.processes import ReadingProcesses
from kakeai.stages.survey import survey

REJECTED_LIST = "rejected.jsonl"
FILES = StageFiles("ingest", INFO, (LEDGER, REJECTED_LIST, "note_sequences-*.tfrecord"))
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
        num_reused: Files that an earlier run read, whose results were taken over.
    """

    num_files: int = 0
    num_sequences: int = 0
    num_rejected: int = 0
    num_duplicates: int = 0
    num_repaired: int = 0
    num_reused: int = 0


def ingest(
    corpus: str,
    output: Path,
    shard: int = 0,
    num_shards: int = 1,
    num_processes: int | None = None,
    reuse: str = "",
    max_midi_bytes: int = MAX_MIDI_BYTES,
    follow_links: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> IngestResult:
    """Survey a corpus, and read one shard of it: `survey` and `ingest_shard` in one.

    Args:
        corpus: As `survey` takes it: folder, archive or file, local or gs://.
        output: Folder to write, as `ingest_shard` does.
        shard: Which part of the corpus to read, from 0 on.
        num_shards: Into how many parts it is divided.
        num_processes: How many read side by side; by default one for each core. The result is the same.
        reuse: Folder or gs:// address where what was read is kept by content, for later runs; empty for none.
        max_midi_bytes: The most that is read of a MIDI file; one of 4 MiB takes at most 2 s and 300 MB.
        follow_links: As `survey` takes it.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus or one without music, no such shard, an output that may not be replaced, or a
            bucket that does not answer.
    """
    check_output(output, FILES, [("the corpus", corpus), ("--reuse", reuse)])
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
        ReadingProcesses(num_processes or usable_processors()) as processes,
    ):
        manifest = Path(aside, "survey")  # made while the processes start
        survey(
            corpus,
            manifest,
            num_shards=num_shards,
            reuse=reuse,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
        )
        return _read_shard(manifest, output, shard, processes, reuse, on_progress)


def ingest_shard(
    manifest: Path,
    output: Path,
    shard: int = 0,
    num_processes: int | None = None,
    reuse: str = "",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> IngestResult:
    """Read those files of a corpus that a manifest gives to one shard.

    `output` gets `note_sequences-SSSSS-of-NNNNN.tfrecord`, which Magenta reads; `ledger.jsonl`, what became of
    each file (see `kakeai.reading.ledger`); `rejected.jsonl`, a row of path, reason and bytes for each thing that
    could not be read; and `ingest.json`, the counts. It appears whole or not at all.

    Args:
        manifest: Folder that `survey` wrote.
        output: Folder to write: a new or empty one, or one that ingest wrote, which is replaced.
        shard: From 0 on.
        num_processes: How many read side by side; by default one for each core. The result is the same.
        reuse: Folder or gs:// address that outlasts runs, where what was read is kept by content (see
            `kakeai.reading.packs`); empty for none. The result is the same.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No manifest, no such shard, a file that is not the one of the manifest, an output that may not
            be replaced, or a bucket that does not answer.
    """
    inputs = [("the manifest", manifest), ("the corpus", read_survey(manifest).corpus), ("--reuse", reuse)]
    check_output(output, FILES, inputs)
    with ReadingProcesses(num_processes or usable_processors()) as processes:
        return _read_shard(manifest, output, shard, processes, reuse, on_progress)


def _read_shard(
    manifest: Path,
    output: Path,
    shard: int,
    processes: ReadingProcesses,
    reuse: str,
    on_progress: Callable[[int, int], None],
) -> IngestResult:
    surveyed = read_survey(manifest)
    if not 0 <= shard < surveyed.num_shards:
        raise KakeaiError(f"shard {shard} of {surveyed.num_shards} does not exist; shards count from 0")
    corpus = Corpus(surveyed.corpus, surveyed.max_midi_bytes, follow_links=surveyed.follow_links)

    def mine() -> Iterator[ManifestRow]:
        return (row for row in read_manifest(manifest / MANIFEST) if row.shard == shard)

    total = surveyed.shard_files[shard]
    with (
        replaced_folder(output, FILES) as folder,
        open_packs(reuse, corpus.name) as packs,
        new_pack(reuse, corpus.name) as pack,
    ):
        files = contents(corpus, (row for row in mine() if not packs.holds(row)))
        if reuse:
            reused = (_reused(row, packs) for row in mine() if packs.holds(row))
            files = heapq.merge(reused, files, key=lambda file: file.row.position)
        result = IngestResult()
        sequences = _write_down(
            processes.read(_batches(files), corpus.name),
            folder,
            result,
            pack,
            lambda done: on_progress(done, total),
        )
        write_records(folder / f"note_sequences-{shard:05d}-of-{surveyed.num_shards:05d}.tfrecord", sequences)
        info = {**asdict(result), "shard": shard, "num_shards": surveyed.num_shards}
        (folder / INFO).write_text(json.dumps(info, indent=1) + "\n")
    return result


def _reused(row: ManifestRow, packs: Packs) -> Content:
    reading, sha256 = packs.reading(row, as_text(row.file))
    return Content(row, sha256=sha256, reading=reading)


def _batches(files: Iterable[Content]) -> Iterator[tuple[list[FileToRead], list[Content]]]:
    """Yield the files to read, with all that stand between them in the order of the corpus."""
    to_read: list[FileToRead] = []
    batch: list[Content] = []
    size = 0
    for file in files:
        if file.content is not None:
            to_read.append(FileToRead(as_text(file.row.file), file.content))
            size += len(file.content)
            file = file._replace(content=None)
        elif file.reading:
            size += sum(map(len, file.reading.sequences))
        batch.append(file)
        if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
            yield to_read, batch
            to_read, batch, size = [], [], 0
    yield to_read, batch


def _write_down(
    batches: Iterator[tuple[list[FileReading], list[Content]]],
    folder: Path,
    result: IngestResult,
    pack: NewPack | None,
    on_progress: Callable[[int], None],
) -> Iterator[bytes]:
    """Yield the sequences of all files; write the ledger and what is rejected, and count."""
    done = 0
    with (
        (folder / LEDGER).open("w", encoding="utf-8") as ledger,
        (folder / REJECTED_LIST).open("w", encoding="utf-8") as rejected,
    ):
        for readings, files in batches:
            following = iter(readings)
            for file in files:
                on_progress(done)
                done += 1
                reading = file.reading
                if reading is None and file.sha256:
                    reading = next(following)
                    if pack:
                        pack.add(file.row, as_text(file.row.file), file.sha256, reading)
                row, complaints = _judged(file, reading)
                if reading:
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
                result.num_reused += file.reading is not None
    on_progress(done)


def _judged(file: Content, reading: FileReading | None) -> tuple[FileRow, list[str]]:
    """Return a file's row in the ledger, and what there is to complain of."""
    if reading is None and file.row.same_as:
        verdict, reason, complaints = DUPLICATE, f"{as_text(file.row.same_as)} has the same content", []
    elif reading is None:
        verdict, reason, complaints = REJECTED, file.complaint, [file.complaint]
    else:
        verdict = REJECTED if not reading.sequences else REPAIRED if reading.repair else READ
        complaints = reading.complaints
        reason = reading.repair or "; ".join(complaints)
    return FileRow(
        file=as_text(file.row.file),
        bytes=file.row.bytes,
        sha256=file.sha256 or None,
        verdict=verdict,
        reason=reason,
        sequences=len(reading.sequences) if reading else 0,
        position=file.row.position,
    ), complaints
