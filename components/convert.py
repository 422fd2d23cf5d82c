"""The convert stage as a Kubeflow component."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components.kubeflow import component


@component
def convert_component(  # noqa: ANN201  KFP reads the signature
    note_sequences: Input[list[Artifact]],
    config: str,
    eval_ratio: float,
    extraction: dict,
    transpose: str,
    work: str,
    dataset: Output[Dataset],
    metrics: Output[Metrics],
):
    """Make the dataset of all shards."""
    from dataclasses import asdict
    from pathlib import Path

    from components.kubeflow import log_metrics
    from kakeai.music.extraction import Extraction
    from kakeai.running.stage import stage
    from kakeai.stages.convert import convert

    with stage("convert", work) as running:
        shards = [Path(artifact.path) for artifact in note_sequences]
        rules = Extraction.from_dict(extraction)
        result = convert(
            shards,
            Path(dataset.path),
            config,
            eval_ratio,
            rules,
            transpose,
            on_progress=running.progress,
        )
        log_metrics(metrics, asdict(result))
        running.figures.update(
            files=result.num_files,
            pieces=result.num_note_sequences,
            training_melodies=result.num_training_melodies,
            eval_melodies=result.num_eval_melodies,
            dropped={reason: asdict(loss) for reason, loss in result.dropped.items()},
            warning=result.warning,
        )
