"""The train stage as a Kubeflow component."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components.kubeflow import component


@component
def train_component(  # noqa: ANN201  KFP reads the signature
    dataset: Input[Dataset],
    config: str,
    hparams: str,
    num_training_steps: int,
    seed: int,
    warm_start: str,
    warm_start_fingerprint: str,
    early_stopping: int,
    mixed_precision: str,
    gpus: str,
    work: str,
    run: Output[Model],
    metrics: Output[Metrics],
):
    """Train, with checkpoints in `work`, from where the next attempt of a killed one goes on."""
    import hashlib
    from pathlib import Path

    from components.kubeflow import log_metrics
    from kakeai.model.training import run as training_run
    from kakeai.running.gpus import gpu_count
    from kakeai.running.stage import stage
    from kakeai.running.termination import sigterm_interrupts
    from kakeai.stages.train import train
    from kakeai.storage import location

    with stage("train", work) as running, sigterm_interrupts():
        described = Path(dataset.path, "dataset.json").read_bytes()
        parameters = f"|{config}|{hparams}|{seed}|{warm_start_fingerprint}|{mixed_precision}"
        identity = hashlib.sha256(described + parameters.encode()).hexdigest()[:16]
        run_dir = location(work) / "checkpoints" / f"{config}-{identity}"
        result = train(
            Path(dataset.path),
            run_dir,
            config,
            hparams,
            num_training_steps,
            seed=seed,
            warm_start=warm_start,
            early_stopping=early_stopping,
            mixed_precision=mixed_precision,
            gpus=gpu_count(gpus),
            on_progress=lambda at: running.progress(
                at.step,
                at.num_steps,
                loss="compiling" if at.loss is None else round(at.loss, 3),
                held_out=round(at.held_out.loss, 3) if at.held_out else None,
                warning=at.warning,
            ),
        )
        training_run.copy_best(run_dir, Path(run.path))
        sides = {"train": result.train, "eval": result.eval}
        log_metrics(
            metrics,
            {
                f"{side}_{name}": value
                for side, figures in sides.items()
                for name, value in figures._asdict().items()
            },
        )
        running.figures.update(result.told, warning=result.warning, stopped=result.stopped)
