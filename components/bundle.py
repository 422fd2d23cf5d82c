"""The bundle stage as a Kubeflow component."""

from kfp.dsl import Artifact, Input, Output

from components.kubeflow import component


@component
def bundle_component(run: Input[Artifact], model: str, work: str, bundled: Output[Artifact]):  # noqa: ANN201  KFP reads it
    """Pack the run's best checkpoint as MODEL.mag, MODEL.hparams and a SavedModel."""
    from pathlib import Path

    from kakeai.running.stage import stage
    from kakeai.stages.bundle import bundle

    with stage("bundle", work) as running:
        result = bundle(Path(run.path), Path(bundled.path), model)
        running.figures.update(step=result.step, bundle=result.bundle.name, warning=result.warning)
