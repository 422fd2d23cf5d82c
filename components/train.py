"""Train: a dataset → weights that continue its melodies."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from components.kubeflow import component
from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from kakeai.model.figures import Figures
    from kakeai.model.network import MelodyRnn

STEPS_BETWEEN_EVALUATIONS = 50
# So many evaluations in a row must stand above the lowest held-out loss before we speak of overfitting.
RISING_EVALUATIONS = 4


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Steps done.
        num_steps: Steps to do in all.
        loss: Training loss of the newest step, nats; None before the first, which takes seconds to compile.
        held_out: Figures of the newest evaluation, None before the first.
        warning: A sentence to show, empty for none.
    """

    step: int
    num_steps: int
    loss: float | None
    held_out: "Figures | None"
    warning: str = ""


@dataclass(frozen=True)
class TrainResult:
    """How a training ended.

    Attributes:
        step: Steps done.
        best_step: Step with the lowest held-out loss.
        train: Figures on the training side, since the last evaluation.
        eval: Figures on the held-out side.
        warning: Said in words if the model overfits, else empty.
    """

    step: int
    best_step: int
    train: "Figures"
    eval: "Figures"
    warning: str


def train(
    dataset: Path,
    run_dir: Path,
    config: str | None = None,
    hparams: str = "",
    num_training_steps: int = 1000,
    seed: int = 0,
    warm_start: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Train a model on a dataset, or go on where an earlier training in `run_dir` stopped.

    The held-out side is evaluated, and a checkpoint written, every 50 steps; TensorBoard logs lie in
    `run_dir`.

    Args:
        dataset: Folder that `convert` wrote.
        run_dir: Folder of the run.
        config: Name of the configuration; by default that of `warm_start`, else the dataset's.
        hparams: Changes to its hyperparameters, in Magenta's syntax: `batch_size=64,rnn_layer_sizes=[64,64]`.
        num_training_steps: Steps in all, those of earlier calls counted in.
        seed: Of initial weights, dropout and the order of the melodies.
        warm_start: Bundle (`.mag`), Magenta's or ours, whose weights a new run begins with; the optimiser is fresh.
        on_progress: Called before the first step and after every one.

    Raises:
        KakeaiError: A bad configuration, hyperparameter or dataset, or another training in `run_dir`.
    """
    import numpy as np
    import tensorflow as tf

    from kakeai.model import run as training_run
    from kakeai.model.batches import eval_batches, training_batches, widths
    from kakeai.model.configs import config_named
    from kakeai.model.dataset import read_dataset, read_dataset_info
    from kakeai.model.figures import figures
    from kakeai.model.trainer import Trainer

    if num_training_steps < 1:
        raise KakeaiError(f"--num-training-steps must be 1 or more, not {num_training_steps}")
    info = read_dataset_info(dataset)
    if warm_start:
        start, origin = _start_of(warm_start, config, hparams)
        parsed = replace(start.config, hparams=start.config.hparams.parse(hparams))
    else:
        start, origin = None, ""
        parsed = config_named(config or info.config, hparams)
    training, _ = read_dataset(dataset / "training.tfrecord")
    held_out, _ = read_dataset(dataset / "eval.tfrecord")
    if not training:
        raise KakeaiError(f"{dataset} has no training melodies; convert a larger corpus")

    corpus = {
        "fingerprint": info.fingerprint,
        "num_files": info.num_files,
        "num_training_melodies": len(training),
        "num_eval_melodies": len(held_out),
    }
    described = training_run.Run(parsed.name, str(parsed.hparams), seed, corpus, origin)
    training_run.begin(run_dir, described)
    trainer = Trainer(parsed, seed, run_dir, start)
    curves = _resumed_curves(run_dir, trainer.step)
    batch_size = parsed.hparams.batch_size
    allowed = widths([*training, *held_out])
    held_out_batches = list(eval_batches(held_out, batch_size, allowed))
    batches = training_batches(training, batch_size, allowed, seed, first=trainer.step)
    counts = np.zeros(6, np.float32)
    warning = overfitting(curves)
    writers = {side: tf.summary.create_file_writer(str(run_dir / side)) for side in ("train", "eval")}

    def evaluate_and_save() -> None:
        nonlocal counts, warning
        sides = {
            "train": figures(counts),
            "eval": figures(sum((trainer.evaluate(batch) for batch in held_out_batches), np.zeros(6))),
        }
        for side, values in sides.items():
            with writers[side].as_default(step=trainer.step):
                for name, value in values._asdict().items():
                    tf.summary.scalar(name if name == "loss" else f"metrics/{name}", value)
            writers[side].flush()
        point = {"step": trainer.step, **{side: values._asdict() for side, values in sides.items()}}
        curves.append(point)
        with (run_dir / "curves.jsonl").open("a") as file:
            file.write(json.dumps(point) + "\n")
        lowest = min(curves, key=lambda point: point["eval"]["loss"])
        trainer.save(is_best=lowest is point or not held_out)
        counts = np.zeros(6, np.float32)
        warning = overfitting(curves)

    try:
        on_progress(Progress(trainer.step, num_training_steps, None, None))
        while trainer.step < num_training_steps:
            new_counts = trainer.train(next(batches))
            counts = counts + new_counts
            newly_said = warning
            at_evaluation = trainer.step % STEPS_BETWEEN_EVALUATIONS == 0
            if at_evaluation or trainer.step == num_training_steps:
                evaluate_and_save()
            on_progress(
                Progress(
                    trainer.step,
                    num_training_steps,
                    figures(new_counts).loss,
                    _figures(curves[-1], "eval") if curves else None,
                    warning if warning != newly_said else "",
                )
            )
    except KeyboardInterrupt:
        if not curves or curves[-1]["step"] != trainer.step:
            evaluate_and_save()
        raise
    finally:
        for writer in writers.values():
            writer.close()
    best = min(curves, key=lambda point: point["eval"]["loss"])
    return TrainResult(
        trainer.step,
        best["step"] if held_out else trainer.step,
        _figures(curves[-1], "train"),
        _figures(curves[-1], "eval"),
        warning,
    )


def overfitting(curves: list[dict]) -> str:
    """Return a sentence that warns when held-out loss rises while training loss falls, else nothing.

    Args:
        curves: Evaluations so far: `step`, and the figures of `train` and `eval`.
    """
    if len(curves) <= RISING_EVALUATIONS:
        return ""
    best = min(curves, key=lambda point: point["eval"]["loss"])
    newest = curves[-1]
    recent = curves[-RISING_EVALUATIONS:]
    rising = all(point["step"] > best["step"] for point in recent)
    if not rising or newest["train"]["loss"] >= best["train"]["loss"]:
        return ""
    return (
        f"The model has begun to learn the tunes by heart: since step {best['step']} the loss on held-out "
        f"tunes rose from {best['eval']['loss']:.3f} to {newest['eval']['loss']:.3f} while training loss kept falling. "
        f"The checkpoint of step {best['step']} is kept and used; more tunes or fewer steps help."
    )


def _start_of(bundle: Path, config: str | None, hparams: str) -> "tuple[MelodyRnn, str]":
    # The model of a bundle, and the bundle's SHA-256; refused where what is asked for has another architecture.
    import hashlib

    from kakeai.model.bundle import read_bundle

    model = read_bundle(bundle)
    if config and config != model.config.name:
        raise KakeaiError(f"{bundle} holds a {model.config.name} model, not {config}; leave --config out")
    asked = model.config.hparams.parse(hparams)
    for name in ("rnn_layer_sizes", "attn_length"):
        own, other = getattr(model.config.hparams, name), getattr(asked, name)
        if own != other:
            own, other = (list(v) if isinstance(v, tuple) else v for v in (own, other))
            raise KakeaiError(f"{bundle} has {name} {own}, not {other}; leave {name} out of --hparams")
    return model, hashlib.sha256(bundle.read_bytes()).hexdigest()


def _resumed_curves(run_dir: Path, step: int) -> list[dict]:
    # What was noted after the checkpoint that training goes on from is done again.
    from kakeai.model import run as training_run
    from kakeai.storage import write_whole

    kept = [point for point in training_run.curves(run_dir) if point["step"] <= step]
    lines = "".join(json.dumps(point) + "\n" for point in kept)
    write_whole(run_dir / "curves.jsonl", lines.encode())
    return kept


def _figures(point: dict, side: str) -> "Figures":
    from kakeai.model.figures import Figures

    return Figures(**point[side])


@component
def train_component(  # noqa: ANN201  KFP reads the signature
    dataset: Input[Dataset],
    config: str,
    hparams: str,
    num_training_steps: int,
    seed: int,
    warm_start: str,
    warm_start_fingerprint: str,
    checkpoints: str,
    run: Output[Model],
    metrics: Output[Metrics],
):
    """Train; `checkpoints` outlasts a killed run, so that the next one goes on from there."""
    import hashlib
    import shutil
    from pathlib import Path

    from components.kubeflow import log_metrics
    from components.stage import stage
    from components.train import train

    with stage("train") as running:
        described = Path(dataset.path, "dataset.json").read_bytes()
        parameters = f"|{config}|{hparams}|{seed}|{warm_start_fingerprint}"
        identity = hashlib.sha256(described + parameters.encode()).hexdigest()[:16]
        run_dir = Path(checkpoints, f"{config}-{identity}")
        result = train(
            Path(dataset.path),
            run_dir,
            config,
            hparams,
            num_training_steps,
            seed,
            Path(warm_start) if warm_start else None,
            lambda at: running.progress(
                at.step,
                at.num_steps,
                loss="compiling" if at.loss is None else round(at.loss, 3),
                held_out=round(at.held_out.loss, 3) if at.held_out else None,
                warning=at.warning,
            ),
        )
        shutil.copytree(run_dir, run.path, dirs_exist_ok=True)
        sides = {"train": result.train, "eval": result.eval}
        log_metrics(
            metrics,
            {
                f"{side}_{name}": value
                for side, figures in sides.items()
                for name, value in figures._asdict().items()
            },
        )
        running.figures.update(
            steps=result.step,
            loss=round(result.train.loss, 3),
            held_out_loss=round(result.eval.loss, 3),
            event_accuracy=round(result.eval.event_accuracy, 3),
            warning=result.warning,
        )
