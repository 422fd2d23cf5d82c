"""The evaluate stage as a Kubeflow component."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow import component


@component
def evaluate_component(  # noqa: ANN201  KFP reads the signature
    dataset: Input[Dataset],
    run: Input[Model],
    store: str,
    model: str,
    champion: int,
    manifest: str,
    work: str,
    evaluation: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
):
    """Measure the run's best weights beside the champion's (version 0: none) and decide on their release.

    `evaluation` holds decision.json, metrics.json, tunes.jsonl and report.html.
    """
    import shutil
    from pathlib import Path

    from components.kubeflow import log_metrics
    from kakeai.corpus.manifests import manifest_at_hand
    from kakeai.running.stage import stage
    from kakeai.stages.evaluate import METRICS_TOLD, REPORT, evaluate

    with stage("evaluate", work) as running, manifest_at_hand(manifest) as surveyed:
        folder = Path(evaluation.path)
        figures = evaluate(
            Path(dataset.path),
            Path(run.path),
            folder,
            store=store,
            model=model,
            champion=champion,
            surveyed=surveyed,
            on_progress=running.progress,
        )
        shutil.copyfile(folder / REPORT, report.path)
        log_metrics(metrics, figures)
        for name in METRICS_TOLD:
            value = figures[name]
            running.figures[name] = round(value, 3) if isinstance(value, float) else value
