"""The survey stage as a Kubeflow component."""

from typing import NamedTuple

from kfp.dsl import Metrics, Output

from components.kubeflow import component


@component
def survey_component(
    corpus: str,
    store: str,
    model: str,
    work: str,
    config: str,
    hparams: str,
    num_training_steps: int,
    eval_ratio: float,
    extraction: dict,
    transpose: str,
    seed: int,
    warm_start: str,
    early_stopping: int,
    mixed_precision: str,
    num_shards: int,
    min_new: int,
    allow_shrink: bool,
    max_midi_bytes: int,
    follow_links: bool,
    gpus: str,
    metrics: Output[Metrics],
) -> NamedTuple(  # type: ignore
    "Survey",
    [
        ("changed", bool),
        ("manifest", str),
        ("shards", list),
        ("champion", int),
        ("recipe", dict),
        ("start", str),
        ("start_fingerprint", str),
    ],
):
    """List the corpus and compare it, and what makes a model of it, with the champion's; `num_shards` 0 chooses.

    `manifest` is kept in `work`; `start` is the bundle to begin with, the champion's where `warm_start` says so.
    """
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from components.kubeflow import log_metrics
    from kakeai.corpus.manifests import keep_manifest, reuse_folder
    from kakeai.model.training.warm_start import start_of
    from kakeai.running.gpus import gpu_count
    from kakeai.running.outcome import UNCHANGED, Outcome, write_outcome
    from kakeai.running.stage import stage
    from kakeai.stages.survey import survey

    recipe = {
        "config": config,
        "hparams": hparams,
        "num_training_steps": num_training_steps,
        "eval_ratio": eval_ratio,
        "extraction": extraction,
        "transpose": transpose,
        "seed": seed,
        "warm_start": warm_start,
        "early_stopping": early_stopping,
        "mixed_precision": mixed_precision,
    }
    with stage("survey", work) as running, tempfile.TemporaryDirectory(prefix="kakeai-") as aside:
        gpu_count(gpus)  # a bad one would keep the training's pod from ever starting
        folder = Path(aside, "survey")
        result = survey(
            corpus,
            folder,
            store=store,
            model=model,
            recipe=recipe,
            allow_shrink=allow_shrink,
            num_shards=num_shards or None,
            reuse=reuse_folder(work),
            min_new=min_new,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
            on_progress=running.progress,
        )
        start, start_fingerprint = start_of(warm_start, store, model, result.champion)
        log_metrics(metrics, asdict(result))
        running.figures.update(
            files=result.num_files, new=result.num_new, gone=result.num_gone, sentence=result.sentence
        )
        if not result.changed:
            write_outcome(work, Outcome(UNCHANGED, result.sentence, "survey", model, result.champion))
        kept = keep_manifest(folder, result.corpus, work)
    shards = list(range(result.num_shards))
    return (result.changed, kept, shards, result.champion, recipe, start, start_fingerprint)
