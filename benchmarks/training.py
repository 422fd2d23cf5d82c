"""Training steps: `melody_rnn_train`'s own graph and input queues, and `kakeai train`'s step, on the same melodies."""

import statistics
import sys
import time
from pathlib import Path

from benchmarks import magenta_training
from benchmarks.results import Row

AIMS = {"attention_rnn": 4.0, "basic_rnn": 2.0}
BATCH_SIZE = 64
HPARAMS = f"batch_size={BATCH_SIZE},rnn_layer_sizes=[128,128]"
STEPS = 6  # timed in each round
ROUNDS = 3
WARM_UP = 2  # Magenta's first steps, which fill its queues


def measure(dataset: Path) -> list[Row]:
    """Return melodies a second for each configuration; both sides train in turn.

    What Kakeai's step takes to compile is told on the screen, once for each width of a batch, and does not count.

    Args:
        dataset: Folder that `convert` wrote.
    """
    rows = []
    for config, aim in AIMS.items():
        ours = _Kakeai(dataset, config)
        print(
            f"{config}: {len(ours.widths)} widths, first steps {ours.first_seconds:.1f} s in all", flush=True
        )
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            seconds[0].append(_magenta(dataset, config))
            seconds[1].append(ours.step_seconds())
        rates = [BATCH_SIZE / statistics.median(side) for side in seconds]
        setting = f"{config} [128,128], batches of {BATCH_SIZE}, {ours.padded:.0%} padding"
        rows.append(Row("training", setting, "melodies/s", rates[0], rates[1], aim))
    return rows


def _magenta(dataset: Path, config: str) -> float:
    # Seconds of a step.
    return statistics.fmean(magenta_training.run(dataset, config, HPARAMS, WARM_UP + STEPS)[WARM_UP:])


class _Kakeai:
    def __init__(self, dataset: Path, config: str) -> None:
        from kakeai.model.configs import config_named
        from kakeai.model.data.batches import training_batches, widths
        from kakeai.model.data.dataset import read_dataset
        from kakeai.model.training.trainer import Trainer

        melodies = read_dataset(dataset / "training.tfrecord")[0]
        self.widths = widths(melodies)
        self._batches = training_batches(melodies, BATCH_SIZE, self.widths, seed=0)
        epoch = [next(self._batches) for _ in range(-(-len(melodies) // BATCH_SIZE))]
        self.padded = 1.0 - sum(batch.length.sum() for batch in epoch) / sum(
            batch.melody.size for batch in epoch
        )
        self._trainer = Trainer(config_named(config, HPARAMS), 0)
        begun = time.perf_counter()
        for batch in {batch.melody.shape: batch for batch in epoch}.values():
            self._trainer.train(batch)
        self.first_seconds = time.perf_counter() - begun

    def step_seconds(self) -> float:
        begun = time.perf_counter()
        for _ in range(STEPS):
            self._trainer.train(next(self._batches))
        return (time.perf_counter() - begun) / STEPS


if __name__ == "__main__":
    for row in measure(Path(sys.argv[1])):
        print(row, f"{row.ratio:.2f} times better")
