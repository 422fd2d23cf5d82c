"""The ingest stage as a Kubeflow component."""

from typing import NamedTuple

from kfp.dsl import Artifact, Output

from components.kubeflow import component


@component
def ingest_component(manifest: str, shard: int, work: str, note_sequences: Output[Artifact]) -> NamedTuple(
    "IngestCounts", [("num_files", int), ("num_sequences", int), ("num_rejected", int)]
):  # type: ignore
    """Read one shard of a corpus, by a manifest that survey kept."""
    from dataclasses import asdict
    from pathlib import Path

    from kakeai.corpus.manifests import manifest_at_hand, reuse_folder
    from kakeai.running.stage import stage
    from kakeai.stages.ingest import ingest_shard

    with stage("ingest", work) as running, manifest_at_hand(manifest) as folder:
        result = ingest_shard(
            folder,
            Path(note_sequences.path),
            shard,
            reuse=reuse_folder(work),
            on_progress=running.progress,
        )
        note_sequences.metadata.update(asdict(result))
        running.figures.update(
            shard=shard,
            files=result.num_files,
            sequences=result.num_sequences,
            rejected=result.num_rejected,
            duplicates=result.num_duplicates,
            reused=result.num_reused,
        )
    return (result.num_files, result.num_sequences, result.num_rejected)
