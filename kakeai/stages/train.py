"""Train: a dataset → weights that continue its melodies."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.data.batches import eval_batches, training_batches, widths
from kakeai.model.data.dataset import EVAL, TRAINING, read_dataset, read_dataset_info
from kakeai.model.training import learning_curve
from kakeai.model.training.learning_curve import PATIENCE
from kakeai.model.training.warm_start import read_start
from kakeai.outputs import check_outside

if TYPE_CHECKING:
    from cloudpathlib import GSPath

    from kakeai.model.measuring.figures import Figures

STEPS_BETWEEN_EVALUATIONS = 50


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
        stopped: Why it ended before all steps were done, else empty.
    """

    step: int
    best_step: int
    train: "Figures"
    eval: "Figures"
    warning: str
    stopped: str

    @property
    def told(self) -> dict[str, int | float]:
        """What is told of it in one line, to three decimals."""
        return {
            "steps": self.step,
            "loss": round(self.train.loss, 3),
            "held_out_loss": round(self.eval.loss, 3),
            "event_accuracy": round(self.eval.event_accuracy, 3),
        }


def train(
    dataset: Path,
    run_dir: "Path | GSPath",
    config: str | None = None,
    hparams: str = "",
    num_training_steps: int = 1000,
    seed: int = 0,
    warm_start: str = "",
    early_stopping: int = PATIENCE,
    mixed_precision: str = "",
    gpus: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Train a model on a dataset, or go on where an earlier training in `run_dir` stopped.

    The held-out side is evaluated, and a checkpoint written, every 50 steps. A process that was killed has cost the
    steps since then; what goes on from there comes to the same weights. Where `TF_CONFIG` names other processes, they
    train together, and the first of them writes `run_dir`, which all of them can read.

    Args:
        dataset: Folder that `convert` wrote.
        run_dir: Folder of the run, in a bucket too.
        config: Name of the configuration; by default that of `warm_start`, else the dataset's.
        hparams: Changes to its hyperparameters, in Magenta's syntax: `batch_size=64,rnn_layer_sizes=[64,64]`.
        num_training_steps: Steps in all, those of earlier calls counted in.
        seed: Of initial weights, dropout and the order of the melodies.
        warm_start: Bundle (`.mag`), Magenta's or ours, whose weights a new run begins with, or a version's folder in
            a model store; local or gs://. The optimiser is fresh.
        early_stopping: End after so many evaluations without a lower held-out loss; 0 for never.
        mixed_precision: `bfloat16` or `float16`, what products are computed in; empty for float32.
        gpus: How many of this machine's share each batch; by default all, 0 for none.
        on_progress: Called before the first step and after every one.

    Raises:
        KakeaiError: A bad configuration, hyperparameter or dataset, or a `run_dir` that has another training or
            anything else in it, that is an input or lies in one, or that cannot be written.
    """
    check_outside(run_dir, "--run-dir", [("the dataset", dataset), ("--warm-start", warm_start)])
    from kakeai.model.measuring.figures import Figures, figures
    from kakeai.model.network.precision import check_precision
    from kakeai.model.training import run as training_run
    from kakeai.model.training.devices import gpu_names, without_gpu
    from kakeai.model.training.trainer import Trainer
    from kakeai.model.training.training import Training
    from kakeai.model.training.workers import Workers

    if num_training_steps < 1:
        raise KakeaiError(f"--num-training-steps must be 1 or more, not {num_training_steps}")
    check_precision(mixed_precision)
    training_run.check(run_dir)
    workers = Workers.met()
    info = read_dataset_info(dataset)
    if warm_start:
        start, origin = read_start(warm_start, config, hparams)
        parsed = replace(start.config, hparams=start.config.hparams.parse(hparams))
    else:
        start, origin = None, ""
        parsed = config_named(config or info.config, hparams)
    training_side, _ = read_dataset(dataset / TRAINING)
    held_out, _ = read_dataset(dataset / EVAL)
    if not training_side:
        raise KakeaiError(f"{dataset} has no training melodies; convert a larger corpus")
    trainer = Trainer(parsed, seed, start, mixed_precision, gpu_names(gpus), workers)

    corpus = {
        "fingerprint": info.fingerprint,
        "num_files": info.num_files,
        "num_training_melodies": len(training_side),
        "num_eval_melodies": len(held_out),
    }
    described = training_run.Run(parsed.name, str(parsed.hparams), seed, corpus, origin, mixed_precision)
    training_run.begin(run_dir, described)
    batch_size, allowed = parsed.hparams.batch_size, widths([*training_side, *held_out])
    training = Training(
        trainer, run_dir, list(eval_batches(held_out, batch_size, allowed)), writes=workers.index == 0
    )
    with workers.together():
        if not workers.agree(trainer.step):
            raise KakeaiError(
                f"worker {workers.index} found step {trainer.step} in {run_dir}, and another a different one; "
                "give a --run-dir that all of them see, such as gs://…"
            )
    batches = training_batches(training_side, batch_size, allowed, seed, first=trainer.step)
    curve = training.curve
    loss, warning = None, learning_curve.overfitting(curve)

    def report(new_warning: str = "") -> None:
        held_out_figures = Figures(**curve[-1]["eval"]) if curve else None
        on_progress(Progress(trainer.step, num_training_steps, loss, held_out_figures, new_warning))

    def has_settled() -> bool:
        return 0 < early_stopping <= learning_curve.evaluations_since_best(curve)

    def evaluate_when_due() -> None:
        is_due = trainer.step % STEPS_BETWEEN_EVALUATIONS == 0 or trainer.step >= num_training_steps
        if trainer.step and is_due and not training.is_evaluated:
            training.evaluate()

    try:
        with workers.together():
            evaluate_when_due()
            report("" if gpus == 0 else without_gpu())
            while trainer.step < num_training_steps and not has_settled():
                loss = figures(trainer.train(next(batches))).loss
                evaluate_when_due()
                newly_said, warning = warning, learning_curve.overfitting(curve)
                report(warning if warning != newly_said else "")
    except KeyboardInterrupt:
        training.save()
        raise
    finally:
        training.close()
    best_step = learning_curve.best(curve)["step"]
    stopped = (
        f"stopped at step {trainer.step}: no lower held-out loss since step {best_step}, which is used"
        if trainer.step < num_training_steps
        else ""
    )
    newest = {side: Figures(**curve[-1][side]) for side in ("train", "eval")}
    return TrainResult(trainer.step, best_step, newest["train"], newest["eval"], warning, stopped)
