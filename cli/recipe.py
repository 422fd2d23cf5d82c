"""What makes a model of a corpus, as options."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.rules import (
    MAGENTA,
    ConfigName,
    GapBars,
    MaxSteps,
    MinBars,
    MinUniquePitches,
    PolyphonyRule,
    Transpose,
)
from cli.training import EarlyStopping, MixedPrecision
from kakeai.model.learning_curve import PATIENCE
from kakeai.music.extraction import Extraction


def recipe(
    config: ConfigName = "lookback_rnn",
    hparams: Annotated[str, typer.Option(help="Such as batch_size=64,rnn_layer_sizes=[64,64].")] = "",
    num_training_steps: Annotated[int, typer.Option(help="Training steps in all.")] = 1000,
    eval_ratio: Annotated[float, typer.Option(help="Share of the files that is held out.")] = 0.1,
    min_bars: MinBars = MAGENTA.min_bars,
    max_steps: MaxSteps = MAGENTA.max_steps,
    min_unique_pitches: MinUniquePitches = MAGENTA.min_unique_pitches,
    gap_bars: GapBars = MAGENTA.gap_bars,
    polyphony: PolyphonyRule = MAGENTA.polyphony,
    transpose: Transpose = "",
    seed: Annotated[int, typer.Option(help="Of weights, dropout and order.")] = 0,
    warm_start: Annotated[
        str,
        typer.Option(
            help="Begin with the weights of the store's newest model, champion; or of a bundle (.mag) or a version "
            "in a store (STORE/MODEL/VERSION), local or gs://.",
            show_default=False,
        ),
    ] = "",
    early_stopping: EarlyStopping = PATIENCE,
    mixed_precision: MixedPrecision = "",
) -> dict[str, Any]:
    """Return the pipeline's parameters; what is bad is refused now, not after minutes.

    Raises:
        KakeaiError: A configuration, hyperparameter or transposition that there is not.
    """
    from components.convert import semitones
    from kakeai.model.configs import config_named

    config_named(config, hparams)
    semitones(transpose)
    rules = Extraction(min_bars, max_steps, min_unique_pitches, gap_bars, polyphony)
    return {
        "config": config,
        "hparams": hparams,
        "num_training_steps": num_training_steps,
        "eval_ratio": eval_ratio,
        "extraction": asdict(rules),
        "transpose": transpose,
        "seed": seed,
        "warm_start": warm_start,
        "early_stopping": early_stopping,
        "mixed_precision": mixed_precision,
    }
