"""Do Magenta and Kakeai learn alike? Held-out loss over 300 steps of both, from the same melodies, three seeds each."""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import magenta_training
from benchmarks.results import Figure

CONFIGS = ("basic_rnn", "attention_rnn")
HPARAMS = "batch_size=32,rnn_layer_sizes=[32,32],learning_rate=0.005"  # small enough for Magenta's attention
LONGEST = 128  # steps of each melody, for the same reason
STEPS = (50, 100, 150, 200, 250, 300)
SEEDS = (1, 2, 3)
LIMIT = 2.0  # per cent that the mean curves may lie apart

Weights = dict[str, np.ndarray]  # by Magenta's names


def measure(dataset: Path, configs: Sequence[str] = CONFIGS, seeds: Sequence[int] = SEEDS) -> list[Figure]:
    """Return how far apart the mean held-out losses are, for each configuration and step.

    Magenta trains in a process of its own; its weights are evaluated by Kakeai, without dropout, like Kakeai's own.
    Both begin with the weights that Magenta draws: how soon a curve falls depends most on them, and a test compares
    the distributions that either draws from.

    Args:
        dataset: Folder that `convert` wrote.
        configs: Names of configurations.
        seeds: Of weights, dropout and the order of the melodies.
    """
    figures = []
    for config in configs:
        starts, theirs = zip(*(_magenta(dataset, config, seed) for seed in seeds), strict=True)
        ours = [_kakeai(dataset, config, seed, start) for seed, start in zip(seeds, starts, strict=True)]
        for i, step in enumerate(STEPS):
            means = [statistics.fmean(curve[i] for curve in side) for side in (theirs, ours)]
            spreads = [
                max(curve[i] for curve in side) - min(curve[i] for curve in side) for side in (theirs, ours)
            ]
            setting = (
                f"{config} {HPARAMS}, step {step}: Magenta {means[0]:.4f} (seeds {spreads[0]:.4f} apart), "
                f"Kakeai {means[1]:.4f} ({spreads[1]:.4f})"
            )
            apart = 100.0 * abs(means[1] / means[0] - 1.0)
            figures.append(Figure("held-out loss, apart", setting, "per cent", apart, LIMIT))
            print(figures[-1], flush=True)
    return figures


def _magenta(dataset: Path, config: str, seed: int) -> tuple[Weights, list[float]]:
    # The weights it began with, and its losses.
    from kakeai.model.magenta.weights import load_magenta_weights

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.npz")
        options = ["--seed", str(seed), "--longest", str(LONGEST), "--weights", str(weights)]
        options += ["--keep", *map(str, (0, *STEPS))]
        magenta_training.run(dataset, config, HPARAMS, STEPS[-1], *options)
        kept = dict(np.load(weights))
    trainer = _trainer(config, seed)
    losses = []
    for step in STEPS:
        load_magenta_weights(trainer.model, _of_step(kept, step))
        losses.append(_held_out_loss(trainer, dataset))
    return _of_step(kept, 0), losses


def _of_step(kept: Weights, step: int) -> Weights:
    prefix = f"{step}/"
    return {name.removeprefix(prefix): value for name, value in kept.items() if name.startswith(prefix)}


def _kakeai(dataset: Path, config: str, seed: int, start: Weights) -> list[float]:
    from kakeai.model.data.batches import training_batches
    from kakeai.model.magenta.weights import load_magenta_weights

    trainer = _trainer(config, seed)
    load_magenta_weights(trainer.model, start)
    batches = training_batches(_melodies(dataset, "training"), 32, [LONGEST], seed)
    losses = []
    for step in range(1, STEPS[-1] + 1):
        trainer.train(next(batches))
        if step in STEPS:
            losses.append(_held_out_loss(trainer, dataset))
    return losses


def _trainer(config: str, seed: int):  # noqa: ANN202
    from kakeai.model.configs import config_named
    from kakeai.model.training.trainer import Trainer

    return Trainer(config_named(config, HPARAMS), seed)


def _melodies(dataset: Path, side: str) -> list[np.ndarray]:
    from kakeai.model.data.dataset import read_dataset

    return [melody[:LONGEST] for melody in read_dataset(dataset / f"{side}.tfrecord")[0]]


def _held_out_loss(trainer, dataset: Path) -> float:  # noqa: ANN001
    from kakeai.model.data.batches import eval_batches
    from kakeai.model.measuring.figures import figures

    batches = eval_batches(_melodies(dataset, "eval"), 32, [LONGEST])
    return figures(sum((trainer.evaluate(batch) for batch in batches), np.zeros(6))).loss


if __name__ == "__main__":
    measure(Path(sys.argv[1]), sys.argv[2:] or CONFIGS)
