"""A training run's folder: what is trained, its checkpoints and its learning curves.

RUN/run.json            configuration, hyperparameters, seed and the corpus it learns from
RUN/train/, RUN/eval/   TensorBoard logs; the newest checkpoints lie in train/
RUN/best/               the checkpoint with the lowest held-out loss
RUN/curves.jsonl        the figures of every evaluation, one line each
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.model.configs import Config, config_named
from kakeai.model.network import MelodyRnn
from kakeai.storage import write_whole

KEPT_CHECKPOINTS = 10  # Magenta's --num_checkpoints


@dataclass(frozen=True)
class Run:
    """What a folder's checkpoints were trained as.

    Attributes:
        config: Name of the configuration.
        hparams: Its hyperparameters, all of them, in Magenta's syntax.
        seed: Of initial weights, dropout and the order of the melodies.
        corpus: What it learns from: `fingerprint`, `num_files`, `num_training_melodies`, `num_eval_melodies`.
        warm_start: SHA-256 of the bundle that it starts from, empty for none.
    """

    config: str
    hparams: str
    seed: int
    corpus: dict[str, str | int]
    warm_start: str = ""

    def model(self) -> MelodyRnn:
        """Return the untrained model."""
        return MelodyRnn(self.parsed_config(), self.seed)

    def parsed_config(self) -> Config:
        """Return configuration and hyperparameters."""
        return config_named(self.config, self.hparams)


def begin(run_dir: Path, run: Run) -> None:
    """Note in `run_dir` what is trained there.

    Raises:
        KakeaiError: Something else is trained there already.
    """
    if (run_dir / "run.json").exists() and (earlier := read(run_dir)) != run:
        differs = [name for name, value in asdict(run).items() if value != getattr(earlier, name)]
        raise KakeaiError(
            f"{run_dir} holds a training with another {' and '.join(differs)}; give a new --run-dir, or remove it"
        )
    write_whole(run_dir / "run.json", json.dumps(asdict(run), indent=1).encode())


def read(run_dir: Path) -> Run:
    """Return what is trained in `run_dir`.

    Raises:
        KakeaiError: Nothing was trained there.
    """
    try:
        return Run(**json.loads((run_dir / "run.json").read_text()))
    except FileNotFoundError:
        raise KakeaiError(f"{run_dir} holds no training; make one with `kakeai train`") from None
    except (ValueError, TypeError) as error:
        raise KakeaiError(f"{run_dir / 'run.json'} cannot be read: {error}") from None


def curves(run_dir: Path) -> list[dict]:
    """Return the evaluations so far: `step`, and the figures of `train` and `eval`."""
    path = run_dir / "curves.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def load_model(run_dir: Path, step: int | None = None) -> tuple[MelodyRnn, int]:
    """Return the model of a checkpoint and the steps it was trained for.

    Args:
        run_dir: The run's folder; training may still be going on there.
        step: Which checkpoint; None for the one with the lowest held-out loss, or the newest without any.

    Raises:
        KakeaiError: There is no such checkpoint.
    """
    run = read(run_dir)
    newest = tf.train.get_checkpoint_state(str(run_dir / "train"))
    best = tf.train.latest_checkpoint(str(run_dir / "best"))
    kept = {_step_of(path): path for path in (newest.all_model_checkpoint_paths if newest else [])}
    if best:
        kept.setdefault(_step_of(best), best)
    if step is None and kept:
        step = _step_of(best) if best else max(kept)
    if step not in kept:
        steps = ", ".join(map(str, sorted(kept)))
        raise KakeaiError(
            f"{run_dir} has no checkpoint of step {step}; it has {steps}"
            if kept
            else f"{run_dir} has no checkpoint yet; train a little longer"
        )
    model = run.model()
    restored = tf.train.Checkpoint(model=variables_of(model)).restore(kept[step]).expect_partial()
    restored.assert_existing_objects_matched()
    return model, step


def variables_of(model: MelodyRnn) -> list[tf.Variable]:
    """Return what a checkpoint keeps of a model: all its variables, in the order of its layers.

    TensorFlow does not see the layers that a Keras model holds in a list; so the variables are named one by one.
    """
    return [variable.value for variable in model.variables]


def _step_of(checkpoint: str) -> int:
    return int(checkpoint.rsplit("-", 1)[1])
