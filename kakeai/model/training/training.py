"""A trainer at work in its run's folder: evaluations, checkpoints, and going on after an interruption."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kakeai.model.data.batches import Batch
from kakeai.model.measuring.figures import figures
from kakeai.model.training import checkpoints, learning_curve
from kakeai.model.training import run as training_run
from kakeai.model.training.tensorboard_log import TensorBoardLog
from kakeai.model.training.trainer import Trainer

if TYPE_CHECKING:
    from cloudpathlib import GSPath


class Training:
    """Trains on from the newest checkpoint of a run.

    Each evaluation is noted in the curve, and then a checkpoint is written. So whenever the process is killed, the
    next one does again what came after the newest checkpoint, and nothing else; it comes to the same figures.

    Attributes:
        trainer: Model and optimiser.
        curve: The evaluations so far, see `kakeai.model.training.learning_curve`.
    """

    def __init__(
        self, trainer: Trainer, run_dir: "Path | GSPath", held_out: Sequence[Batch], writes: bool
    ) -> None:
        """Restore what there is.

        Args:
            trainer: Fresh.
            run_dir: Folder of the run.
            held_out: Batches of the held-out side.
            writes: Whether this process writes the folder; of several that train together only one does.
        """
        self.trainer, self._run_dir, self._held_out = trainer, run_dir, held_out
        if state := checkpoints.newest(run_dir):
            trainer.restore(state)
        self.curve = [point for point in training_run.curves(run_dir) if point["step"] <= trainer.step]
        if self.is_evaluated:
            trainer.take_counts()
        self._log = TensorBoardLog(run_dir) if writes else None

    @property
    def is_evaluated(self) -> bool:
        """Whether the curve has the newest step."""
        return bool(self.curve) and self.curve[-1]["step"] == self.trainer.step

    def evaluate(self) -> None:
        """Add to the curve what was learnt since the last evaluation; write a checkpoint."""
        held_out = sum((self.trainer.evaluate(batch) for batch in self._held_out), np.zeros(6))
        sides = {"train": figures(self.trainer.take_counts()), "eval": figures(held_out)}
        point = {"step": self.trainer.step, **{side: values._asdict() for side, values in sides.items()}}
        self.curve.append(point)
        if self._log:
            training_run.write_curves(self._run_dir, self.curve)
            self._log.add(point)
            self.save()
            checkpoints.prune(self._run_dir, learning_curve.best(self.curve)["step"])

    def save(self) -> None:
        """Write a checkpoint of where training stands."""
        if self._log and self.trainer.step:
            checkpoints.save(self._run_dir, self.trainer.step, self.trainer.state)

    def close(self) -> None:
        """Close the logs."""
        if self._log:
            self._log.close()
