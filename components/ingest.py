"""Ingest: MIDI files, MusicXML and ABC → shards of NoteSequences, and a list of what could not be read."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from kfp.dsl import Artifact, Output

from components.corpus_files import MUSIC_SUFFIXES, UnreadableError, corpus_files, corpus_name
from components.kubeflow import component
from components.ledger import DUPLICATE, LEDGER, READ, REJECTED, FileRow
from kakeai.errors import KakeaiError
from kakeai.storage import replace_folder

INFO, REJECTED_LIST = "ingest.json", "rejected.jsonl"


@dataclass(frozen=True)
class IngestResult:
    """What a shard of a corpus came to.

    Attributes:
        num_files: Files read, each content once.
        num_sequences: Pieces in them.
        num_rejected: Files, and tunes of tunebooks, that could not be read; `rejected.jsonl` says why.
        num_duplicates: Files left out because an earlier one has the same content.
    """

    num_files: int
    num_sequences: int
    num_rejected: int
    num_duplicates: int


def ingest(
    corpus: str,
    output: Path,
    shard: int = 0,
    num_shards: int = 1,
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
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus, one without music, or no such shard.
    """
    import tensorflow as tf

    from kakeai.model.note_sequences import read_note_sequences

    if not 0 <= shard < num_shards:
        raise KakeaiError(f"shard {shard} of {num_shards} does not exist; shards count from 0")
    seen: dict[str, str] = {}  # SHA-256 → path
    num_files = num_sequences = num_rejected = num_duplicates = 0

    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        ExitStack() as archives,
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
    ):
        all_files = corpus_files(corpus, archives)
        if not all_files:
            raise KakeaiError(f"{corpus} has no music: no {', '.join(MUSIC_SUFFIXES)} file and no archive")
        collection = corpus_name(corpus)
        mine = all_files[shard::num_shards]
        folder = Path(aside, "shard")
        folder.mkdir()
        with (
            tf.io.TFRecordWriter(
                str(folder / f"note_sequences-{shard:05d}-of-{num_shards:05d}.tfrecord")
            ) as writer,
            (folder / LEDGER).open("w", encoding="utf-8") as ledger,
            (folder / REJECTED_LIST).open("w", encoding="utf-8") as rejected,
        ):
            for done, file in enumerate(mine):
                on_progress(done, len(mine))
                complaints: list[str] = []
                try:
                    content = file.read()
                except UnreadableError as error:
                    complaints = [str(error)]
                    row = FileRow(file.path, error.size, None, REJECTED, str(error))
                else:
                    digest = hashlib.sha256(content).hexdigest()
                    earlier = seen.setdefault(digest, file.path)
                    if earlier != file.path:
                        reason = f"{earlier} has the same content"
                        row = FileRow(file.path, len(content), digest, DUPLICATE, reason)
                    else:
                        try:
                            pieces, complaints = read_note_sequences(file.path, content, collection)
                        except KakeaiError as error:
                            pieces, complaints = [], [str(error)]
                        for piece in pieces:
                            writer.write(piece.SerializeToString())
                        row = FileRow(
                            file.path, len(content), digest, READ if pieces else REJECTED,
                            "; ".join(complaints), len(pieces),
                        )  # fmt: skip
                ledger.write(row.as_line())
                for reason in complaints:
                    rejected.write(
                        json.dumps({"path": row.file, "reason": reason, "bytes": row.bytes}) + "\n"
                    )
                num_files += row.verdict == READ
                num_sequences += row.sequences
                num_rejected += len(complaints)
                num_duplicates += row.verdict == DUPLICATE
        on_progress(len(mine), len(mine))
        result = IngestResult(num_files, num_sequences, num_rejected, num_duplicates)
        info = {**asdict(result), "shard": shard, "num_shards": num_shards}
        (folder / INFO).write_text(json.dumps(info, indent=1) + "\n")
        replace_folder(folder, output)
    return result


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
        result = ingest(corpus, Path(note_sequences.path), shard, num_shards, running.progress)
        note_sequences.metadata.update(asdict(result))
        running.figures.update(
            shard=shard,
            files=result.num_files,
            sequences=result.num_sequences,
            rejected=result.num_rejected,
            duplicates=result.num_duplicates,
        )
    return (result.num_files, result.num_sequences, result.num_rejected)
