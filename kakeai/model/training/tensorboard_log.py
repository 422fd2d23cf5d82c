"""TensorBoard's logs in a run's folder, local or in a bucket."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from kakeai.storage import write_whole

if TYPE_CHECKING:
    from cloudpathlib import GSPath

SIDES = ("train", "eval")


class TensorBoardLog:
    """The figures of each evaluation, in RUN/train and RUN/eval.

    TensorFlow writes local files; those of a run in a bucket are written aside and uploaded after each evaluation.
    """

    def __init__(self, run_dir: "Path | GSPath") -> None:
        """Open new files beside those of earlier processes; TensorBoard joins them."""
        self._run_dir = run_dir
        self._aside = None if isinstance(run_dir, Path) else tempfile.TemporaryDirectory()
        self._folder = Path(self._aside.name) if self._aside else Path(str(run_dir))
        self._writers = {side: tf.summary.create_file_writer(str(self._folder / side)) for side in SIDES}

    def add(self, point: dict) -> None:
        """Add a point of the learning curve."""
        for side, writer in self._writers.items():
            with writer.as_default(step=point["step"]):
                for name, value in point[side].items():
                    tf.summary.scalar(name if name == "loss" else f"metrics/{name}", value)
            writer.flush()
            if self._aside:
                for path in (self._folder / side).iterdir():
                    write_whole(self._run_dir / side / path.name, path.read_bytes())

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        if self._aside:
            self._aside.cleanup()
