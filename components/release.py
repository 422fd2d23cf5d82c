"""The release stage as a Kubeflow component."""

from kfp.dsl import Artifact, Input, Output

from components.kubeflow import component


@component
def release_component(  # noqa: ANN201  KFP reads the signature
    bundled: Input[Artifact],
    evaluation: Input[Artifact],
    manifest: str,
    recipe: dict,
    store: str,
    model: str,
    work: str,
    released: Output[Artifact],
):
    """Release the SavedModel into the store, under the next version number, if its evaluation says so."""
    import json
    from pathlib import Path

    from kakeai.corpus.manifests import manifest_at_hand
    from kakeai.errors import ExitStatus
    from kakeai.manifest import MANIFEST
    from kakeai.running.outcome import KEPT, REFUSED, RELEASED, Outcome, keep_report, write_outcome
    from kakeai.running.stage import stage
    from kakeai.stages.evaluate import METRICS, REPORT
    from kakeai.stages.release import KEEP, REFUSE, RELEASE, release

    with stage("release", work) as running, manifest_at_hand(manifest) as folder:
        evaluated = Path(evaluation.path)
        result = release(Path(bundled.path), evaluated, store, model, folder / MANIFEST, recipe)
        told = {"version": result.version, "verdict": result.verdict, "sentence": result.sentence}
        running.figures.update(model=model, version=result.version, new=result.is_new, verdict=result.verdict)
        Path(released.path).write_text(json.dumps({**told, "new": result.is_new}))
        outcome = Outcome(
            {RELEASE: RELEASED, REFUSE: REFUSED, KEEP: KEPT}[result.verdict],
            result.sentence,
            "release",
            model,
            result.version,
            json.loads((evaluated / METRICS).read_text()),
            keep_report(work, (evaluated / REPORT).read_bytes()),
            bundled.uri,
            ExitStatus.REFUSED if result.verdict == REFUSE else ExitStatus.DONE,
        )
        write_outcome(work, outcome)
