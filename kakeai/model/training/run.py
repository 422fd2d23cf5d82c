"""A training run's folder, local or in a bucket: what is trained, its checkpoints and its learning curve.

RUN/run.json            configuration, hyperparameters, seed and the corpus it learns from
RUN/checkpoints/        the newest, and the one with the lowest held-out loss: `kakeai.model.training.checkpoints`
RUN/curves.jsonl        the figures of every evaluation, one line each
RUN/train/, RUN/eval/   the same for TensorBoard
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from kakeai.model.configs import Config, config_named
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.training import checkpoints, learning_curve
from kakeai.outputs import check_folder
from kakeai.storage import names_in, read_bytes, write_whole

if TYPE_CHECKING:
    from cloudpathlib import GSPath


@dataclass(frozen=True)
class Run:
    """What a folder's checkpoints were trained as.

    Attributes:
        config: Name of the configuration.
        hparams: Its hyperparameters, all of them, in Magenta's syntax.
        seed: Of initial weights, dropout and the order of the melodies.
        corpus: What it learns from: `fingerprint`, `num_files`, `num_training_melodies`, `num_eval_melodies`.
        warm_start: SHA-256 of the bundle that it starts from, empty for none.
        mixed_precision: What products are computed in, `bfloat16` or `float16`; empty for float32.
    """

    config: str
    hparams: str
    seed: int
    corpus: dict[str, str | int]
    warm_start: str = ""
    mixed_precision: str = ""

    def model(self) -> MelodyRnn:
        """Return the untrained model."""
        return MelodyRnn(self.parsed_config(), self.seed)

    def parsed_config(self) -> Config:
        """Return configuration and hyperparameters."""
        return config_named(self.config, self.hparams)


def check(run_dir: "Path | GSPath") -> None:
    """Refuse a folder that a training cannot begin or go on in; nothing is made.

    Raises:
        KakeaiError: It holds other files and no training, or cannot be written.
    """
    if isinstance(run_dir, Path):
        check_folder(run_dir, "--run-dir")
    names = [name for name in names_in(run_dir) if not name.startswith(".")]  # a file being written has a dot
    if names and "run.json" not in names:
        raise KakeaiError(f"{run_dir} holds {names[0]} and no training; give a new --run-dir")


def begin(run_dir: "Path | GSPath", run: Run) -> None:
    """Note in `run_dir` what is trained there.

    Raises:
        KakeaiError: Something else is trained there already.
    """
    if "run.json" in names_in(run_dir):
        earlier = read(run_dir)
        differs = [name for name, value in asdict(run).items() if value != getattr(earlier, name)]
        if differs:
            raise KakeaiError(
                f"{run_dir} holds a training with another {' and '.join(differs)}; "
                "give a new --run-dir, or remove it"
            )
        return
    write_whole(run_dir / "run.json", json.dumps(asdict(run), indent=1).encode())


def read(run_dir: "Path | GSPath") -> Run:
    """Return what is trained in `run_dir`.

    Raises:
        KakeaiError: Nothing was trained there.
    """
    path = run_dir / "run.json"
    try:
        return Run(**json.loads(read_bytes(path)))
    except FileNotFoundError:
        raise KakeaiError(f"{run_dir} holds no training; make one with `kakeai train`") from None
    except (ValueError, TypeError) as error:
        raise KakeaiError(f"{path} cannot be read: {error}") from None


def curves(run_dir: "Path | GSPath") -> list[dict]:
    """Return the evaluations so far: `step`, and the figures of `train` and `eval`."""
    try:
        return [json.loads(line) for line in read_bytes(run_dir / "curves.jsonl").splitlines()]
    except FileNotFoundError:
        return []


def write_curves(run_dir: "Path | GSPath", curve: Sequence[dict]) -> None:
    """Write the evaluations so far."""
    write_whole(run_dir / "curves.jsonl", "".join(json.dumps(point) + "\n" for point in curve).encode())


def copy_best(run_dir: "Path | GSPath", destination: Path) -> None:
    """Make the folder `destination` a run that can be read, with the best checkpoint alone."""
    step = _best_step(run_dir)
    checkpoints.save(destination, step, checkpoints.load(run_dir, step))
    for name in ("curves.jsonl", "run.json"):
        write_whole(destination / name, read_bytes(run_dir / name))


def load_model(run_dir: "Path | GSPath", step: int | None = None) -> tuple[MelodyRnn, int]:
    """Return the model of a checkpoint and the steps it was trained for.

    Args:
        run_dir: The run's folder; training may still be going on there.
        step: Which checkpoint; None for the one with the lowest held-out loss, or the newest without any.

    Raises:
        KakeaiError: There is no such checkpoint.
    """
    run = read(run_dir)
    if step is None:
        step = _best_step(run_dir)
    elif step not in (kept := checkpoints.steps(run_dir)):
        steps = ", ".join(map(str, kept)) or "none yet"
        raise KakeaiError(f"{run_dir} has no checkpoint of step {step}; it has {steps}")
    model = run.model()
    checkpoints.assign(checkpoints.load(run_dir, step), {"model": model.variables})
    return model, step


def _best_step(run_dir: "Path | GSPath") -> int:
    # Of the lowest held-out loss, or the newest where nothing was evaluated.
    kept = checkpoints.steps(run_dir)
    if not kept:
        raise KakeaiError(f"{run_dir} has no checkpoint yet; train a little longer")
    evaluated = [point for point in curves(run_dir) if point["step"] in kept]
    return learning_curve.best(evaluated)["step"] if evaluated else kept[-1]
