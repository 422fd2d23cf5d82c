"""Draw every picture of the documentation: `python -m docs.figures`; `way` alone needs no training."""

import sys
from pathlib import Path

from docs.figures import way

PICTURES = Path(__file__).parents[1] / "pictures"
WORK = Path("work/figures")
PRIMER_STEPS = 32  # two bars of 4/4
ANSWER_STEPS = 96
TEMPERATURES = (0.3, 1.0, 1.8)


def draw_ways() -> None:
    """The diagrams."""
    for language in way.WORDS:
        (PICTURES / f"way{language}.svg").write_text(way.way(language), "utf-8")
    (PICTURES / "house.svg").write_text(way.house(), "utf-8")


def draw_runs() -> None:
    """Everything that comes from trained models."""
    from docs.figures import svg, tensorboard
    from docs.figures.trainings import curve, run_all

    run_all(WORK)
    tensorboard.picture(WORK / "runs", "100-tunes", PICTURES / "tensorboard.png")

    def compared(names: dict[str, str]) -> str:
        return svg.curves("eval loss", {label: curve(WORK, run) for run, label in names.items()})

    drawings = {
        "batch-size": compared({f"batch-{size}": f"batch {size}" for size in (8, 32, 128)}),
        "layer-sizes": compared(
            {"units-8": "[8]", "units-32": "[32]", "units-128": "[128]", "layers-2": "[128,128]"}
        ),
        "attention": compared({f"attention-{steps}": f"attn {steps}" for steps in (0, 16, 40)}),
        "overfitting": _sides("100-tunes"),
        "learning": _sides("units-128"),
    }
    for name, drawing in {**drawings, **_played()}.items():
        (PICTURES / f"{name}.svg").write_text(drawing, "utf-8")


def _sides(run: str) -> str:
    from docs.figures import svg
    from docs.figures.trainings import curve

    held_out = curve(WORK, run)
    best, _ = min(held_out, key=lambda point: point[1])
    return svg.curves("loss", {"eval": held_out, "train": curve(WORK, run, "train")}, mark=best)


def _played() -> dict[str, str]:
    import numpy as np
    import tensorflow as tf

    from docs.figures import svg
    from kakeai.model.data.batches import pad
    from kakeai.model.data.dataset import EVAL, read_dataset
    from kakeai.model.magenta.bundle import read_bundle
    from kakeai.model.sampling.sampler import generate

    tunes, _ = read_dataset(WORK / "dataset" / EVAL)
    primer = tunes[0][:PRIMER_STEPS]
    rows = len(TEMPERATURES)
    batch = pad([primer] * rows)
    answers = generate(
        read_bundle(WORK / "bundle" / "oneills.mag"),
        tf.constant(batch.melody),
        tf.constant(batch.length),
        tf.fill([rows], ANSWER_STEPS),
        tf.constant(TEMPERATURES),
        tf.zeros([rows], tf.int64),  # the same seed for all
    ).melody.numpy()
    melodies = {
        f"temperature {temperature}": np.concatenate([primer, answer.astype(np.int8)])
        for temperature, answer in zip(TEMPERATURES, answers, strict=True)
    }
    return {"temperature": svg.rolls(melodies, PRIMER_STEPS), "steps": svg.steps(primer)}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    draw_ways()
    if sys.argv[1:] != ["way"]:
        draw_runs()
