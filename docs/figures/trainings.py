"""The trainings that the tutorial tells of: what it shows, by the commands that it names."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

KAKEAI = Path(sys.executable).with_name("kakeai")
FEW_TUNES = 100
HELD_OUT_OF_FEW = 0.3  # a tenth of a hundred tunes is too few to judge by


class Training(NamedTuple):
    """One call of `kakeai train`."""

    dataset: str
    steps: int
    config: str
    hparams: str


def _lookback(batch: int, layers: str, rate: float = 0.01, steps: int = 600) -> Training:
    hparams = f"batch_size={batch},rnn_layer_sizes={layers},learning_rate={rate},dropout_keep_prob=0.8"
    return Training("dataset", steps, "lookback_rnn", hparams)


def _attention(length: int) -> Training:
    hparams = "batch_size=32,rnn_layer_sizes=[64],learning_rate=0.005,dropout_keep_prob=0.8"
    return Training("dataset", 400, "attention_rnn", f"{hparams},attn_length={length}")


TRAININGS = {
    "units-8": _lookback(32, "[8]"),
    "units-32": _lookback(32, "[32]"),
    "units-128": _lookback(32, "[128]"),  # what `make demo` trains
    "layers-2": _lookback(32, "[128,128]"),
    "batch-8": _lookback(8, "[64]", 0.005, 400),
    "batch-32": _lookback(32, "[64]", 0.005, 400),
    "batch-128": _lookback(128, "[64]", 0.005, 400),
    "attention-0": _attention(0),
    "attention-16": _attention(16),
    "attention-40": _attention(40),
    "100-tunes": Training(
        "dataset_100",
        600,
        "lookback_rnn",
        "batch_size=32,rnn_layer_sizes=[128],learning_rate=0.01,dropout_keep_prob=1.0",
    ),
}


def kakeai(*arguments: str | Path) -> None:
    """Run a command as the tutorial's reader does."""
    subprocess.run([KAKEAI, *map(str, arguments)], check=True)


def run_all(work: Path) -> None:
    """Write corpora and datasets into `work`, train all models and bundle the demo's; what is there is kept."""
    for suffix, tunes, held_out in (("", (), 0.1), ("_100", ("--tunes", str(FEW_TUNES)), HELD_OUT_OF_FEW)):
        corpus, sequences, dataset = (
            work / f"{name}{suffix}" for name in ("corpus", "note_sequences", "dataset")
        )
        if not dataset.exists():
            kakeai("corpus", "oneills", corpus, *tunes)
            kakeai("ingest", corpus, "--output", sequences)
            ratio = ("--eval-ratio", str(held_out))
            kakeai("convert", sequences, "--output", dataset, "--config", "lookback_rnn", *ratio)
    for name, training in TRAININGS.items():
        if not trained(work, name):
            settings = ("--config", training.config, "--hparams", training.hparams, "--early-stopping", "0")
            steps = ("--num-training-steps", str(training.steps))
            kakeai("train", work / training.dataset, "--run-dir", work / "runs" / name, *settings, *steps)
    if not (work / "bundle").exists():
        kakeai(
            "bundle",
            "--run-dir",
            work / "runs" / "units-128",
            "--output",
            work / "bundle",
            "--name",
            "oneills",
        )


def trained(work: Path, name: str) -> bool:
    """Whether a training is done."""
    points = work / "runs" / name / "curves.jsonl"
    return points.exists() and curve(work, name)[-1][0] >= TRAININGS[name].steps


def curve(work: Path, name: str, side: str = "eval", figure: str = "loss") -> list[tuple[float, float]]:
    """Return (step, value) of each evaluation alongside a training."""
    lines = (work / "runs" / name / "curves.jsonl").read_text().splitlines()
    return [(point["step"], point[side][figure]) for point in map(json.loads, lines)]
