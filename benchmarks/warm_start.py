"""Does a warm start pay where tunes are few? Thirty hornpipes, with and without a model of all the other tunes.

O'Neill's goes kind by kind. A base learns everything but its hornpipes; then thirty of these are learnt from the
base's bundle and from random weights, and both are measured on the hornpipes that nobody has seen.
"""

import dataclasses
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.results import Figure
from kakeai.model.data.dataset import (
    EVAL,
    TRAINING,
    read_dataset,
    read_dataset_info,
    write_dataset,
    write_dataset_info,
)
from kakeai.stages.train import train

HORNPIPES = range(1556, 1783)  # O'Neill's numbers, from the first to the last that is marked as one
TUNES = 30
CONFIG, HPARAMS = "lookback_rnn", "batch_size=30,rnn_layer_sizes=[64,64]"
BASE_STEPS, STEPS, PATIENCE = 1000, 1000, 4
SEEDS = (1, 2, 3)

Melody = tuple[np.ndarray, str]  # with its file


def measure(dataset: Path, seeds: Sequence[int] = SEEDS) -> list[Figure]:
    """Return the lowest held-out losses, means over seeds.

    Args:
        dataset: What `convert` made of O'Neill's.
        seeds: Each chooses its thirty tunes, and the weights and order of its trainings.
    """
    from kakeai.model.magenta.bundle import write_bundle
    from kakeai.model.training import run as training_run

    melodies = [melody for side in (TRAINING, EVAL) for melody in _melodies(dataset / side)]
    is_hornpipe = [int(Path(source).name[:4]) in HORNPIPES for _, source in melodies]
    hornpipes = [melody for melody, chosen in zip(melodies, is_hornpipe, strict=True) if chosen]
    others = [melody for melody, chosen in zip(melodies, is_hornpipe, strict=True) if not chosen]
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        # The base's own held-out tunes are no hornpipes either.
        base = _dataset(folder / "base", dataset, others[::10], [m for i, m in enumerate(others) if i % 10])
        train(base, folder / "base_run", CONFIG, HPARAMS, BASE_STEPS, early_stopping=PATIENCE)
        write_bundle(
            training_run.load_model(folder / "base_run")[0], folder / "base.mag", "all but hornpipes"
        )
        losses: dict[str, list[float]] = {"cold": [], "warm": [], "the base alone": []}
        for seed in seeds:
            shuffled = [hornpipes[i] for i in np.random.default_rng(seed).permutation(len(hornpipes))]
            few = _dataset(folder / str(seed), dataset, shuffled[TUNES:], shuffled[:TUNES])
            for name, start in (("cold", ""), ("warm", str(folder / "base.mag"))):
                run_dir = folder / f"{seed}_{name}"
                hparams = f"{HPARAMS}" if not start else "batch_size=30"
                train(few, run_dir, CONFIG, hparams, STEPS, seed, start, PATIENCE)
                losses[name].append(min(point["eval"]["loss"] for point in training_run.curves(run_dir)))
            losses["the base alone"].append(_loss(folder / "base_run", few))
    means = {name: statistics.fmean(values) for name, values in losses.items()}
    setting = f"{CONFIG} [64,64], {TUNES} hornpipes, {len(hornpipes) - TUNES} held out"
    return [
        Figure(
            f"held-out loss, {name}",
            f"{setting}, seeds {max(values) - min(values):.3f} apart",
            "nats",
            means[name],
            means["cold"] if name == "warm" else None,
        )
        for name, values in losses.items()
    ]


def _melodies(path: Path) -> list[Melody]:
    return list(zip(*read_dataset(path), strict=True))


def _dataset(folder: Path, like: Path, held_out: Sequence[Melody], training: Sequence[Melody]) -> Path:
    folder.mkdir()
    write_dataset(folder / TRAINING, training)
    write_dataset(folder / EVAL, held_out)
    counts = {"num_training_melodies": len(training), "num_eval_melodies": len(held_out)}
    write_dataset_info(folder, dataclasses.replace(read_dataset_info(like), **counts))
    return folder


def _loss(run_dir: Path, dataset: Path) -> float:
    from kakeai.model.data.batches import eval_batches
    from kakeai.model.measuring.figures import figures
    from kakeai.model.training import run as training_run
    from kakeai.model.training.trainer import Trainer

    model, _ = training_run.load_model(run_dir)
    trainer = Trainer(model.config, 0, start=model)
    batches = eval_batches(read_dataset(dataset / EVAL)[0], model.config.hparams.batch_size)
    return figures(sum((trainer.evaluate(batch) for batch in batches), np.zeros(6))).loss
