"""Ingest without a survey before it, as a component."""

from typing import NamedTuple

from kfp.dsl import Artifact, Output

from components.kubeflow import component


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
