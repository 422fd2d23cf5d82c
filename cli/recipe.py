"""What makes a model of a corpus, as options: what counts as a melody, and how a model is trained on melodies."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.option_groups import with_options
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.model.configs import CONFIGS
from kakeai.model.training.learning_curve import PATIENCE
from kakeai.music.extraction import MAGENTA, Extraction, Polyphony

ConfigName = Annotated[str, typer.Option(help=f"One of {', '.join(CONFIGS)}.")]
Hparams = Annotated[str, typer.Option(help="Such as batch_size=64,rnn_layer_sizes=[64,64].")]
EvalRatio = Annotated[float, typer.Option(help="Share of the files that is held out.")]
Seed = Annotated[int, typer.Option(help="Of weights, dropout and order.")]
Transpose = Annotated[
    str,
    typer.Option(
        help="Add copies of each training melody, so many semitones lower to higher, such as -5..6; for "
        "mono_rnn, as the others move every melody to one key.",
        show_default=False,
    ),
]
WarmStart = Annotated[
    str,
    typer.Option(
        help="Begin with the weights of a bundle (.mag) or of a version in a store (STORE/MODEL/VERSION), "
        "local or gs://.",
        show_default=False,
    ),
]
EarlyStopping = Annotated[
    int,
    typer.Option(
        help="Stop after so many evaluations (every 50 steps) without a lower held-out loss; 0 for never.",
        min=0,
    ),
]
MixedPrecision = Annotated[
    str,
    typer.Option(
        help="Compute products in bfloat16 or float16, for machines that have units for it.",
        show_default=False,
    ),
]
MaxMidiBytes = Annotated[
    int,
    typer.Option(
        help="Read MIDI files of up to so many bytes; a large one takes its time.", min=MAX_MIDI_BYTES
    ),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Follow links that lead out of the corpus's folder.")
]
Gpus = Annotated[
    int | None,
    typer.Option(
        help="GPUs of this machine that share each batch; by default all, 0 for none.",
        min=0,
        show_default=False,
    ),
]


def extraction(
    min_bars: Annotated[int, typer.Option(help="Shorter melodies are dropped.")] = MAGENTA.min_bars,
    max_steps: Annotated[int, typer.Option(help="Longer ones are cut, in 16ths.")] = MAGENTA.max_steps,
    min_unique_pitches: Annotated[
        int, typer.Option(help="Melodies of fewer pitches are dropped.")
    ] = MAGENTA.min_unique_pitches,
    gap_bars: Annotated[
        float, typer.Option(help="A melody ends where nothing sounds for so many bars.")
    ] = MAGENTA.gap_bars,
    polyphony: Annotated[
        Polyphony, typer.Option(help="Where notes begin together: drop the track, or take the top one.")
    ] = MAGENTA.polyphony,
) -> Extraction:
    """Return the rules by which melodies are found.

    Raises:
        KakeaiError: A rule by which nothing can be found.
    """
    return Extraction(min_bars, max_steps, min_unique_pitches, gap_bars, polyphony)


@with_options(rules=extraction)
def recipe(
    rules: Extraction,
    config: ConfigName = "lookback_rnn",
    hparams: Hparams = "",
    num_training_steps: Annotated[int, typer.Option(help="Training steps in all.")] = 1000,
    eval_ratio: EvalRatio = 0.1,
    transpose: Transpose = "",
    seed: Seed = 0,
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
    from kakeai.model.configs import config_named
    from kakeai.stages.convert import semitones

    config_named(config, hparams)
    semitones(transpose)
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


def retraining(
    num_shards: Annotated[
        int, typer.Option(help="Parts to read the corpus in; 0 for as many as are worth a pod each.", min=0)
    ] = 0,
    min_new: Annotated[
        int, typer.Option(help="Train only when so many new files came in since the last release.", min=0)
    ] = 0,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Take a corpus that lost half of its files.")
    ] = False,
    max_midi_bytes: MaxMidiBytes = MAX_MIDI_BYTES,
    follow_links: FollowLinks = False,
) -> dict[str, Any]:
    """Return the pipeline's parameters that say when a corpus is read, in how many parts, and what of it."""
    return {
        "num_shards": num_shards,
        "min_new": min_new,
        "allow_shrink": allow_shrink,
        "max_midi_bytes": max_midi_bytes,
        "follow_links": follow_links,
    }
