"""`kakeai pipeline`: the whole way at once."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.progress import console, show_stage, stage_bar
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
from cli.training import EarlyStopping, Gpus, MixedPrecision, WarmStart
from kakeai.model.learning_curve import PATIENCE

app = typer.Typer(help="All seven stages as one Kubeflow pipeline.", no_args_is_help=True)


@app.command("run")
def run(
    corpus: Annotated[str, typer.Option(help="Folder (searched through), .zip or .tar of MIDI files.")],
    store: Annotated[str, typer.Option(help="The model store to release into.")],
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
    warm_start: WarmStart = "",
    early_stopping: EarlyStopping = PATIENCE,
    mixed_precision: MixedPrecision = "",
    gpus: Gpus = 0,
    model: Annotated[str, typer.Option(help="Name to release under.")] = "kakeai",
    num_shards: Annotated[
        int | None, typer.Option(help="Parts to read the corpus in; as many as pay by default.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder for what the stages hand on.")] = Path("work"),
) -> None:
    """Run the pipeline on this machine; a stage whose inputs did not change is not run again.

    Example: kakeai pipeline run --corpus my-midi --store store --config attention_rnn
    """
    from cli.reasons import show_losses
    from components.convert import semitones
    from components.melody_ledger import Loss
    from kakeai.model.configs import config_named
    from kakeai.music.extraction import Extraction
    from pipelines.here import StageNews, run_here

    # Refuse what is bad now, not after minutes.
    config_named(config, hparams)
    semitones(transpose)
    rules = Extraction(min_bars, max_steps, min_unique_pitches, gap_bars, polyphony)
    ran: set[str] = set()
    with stage_bar() as bar:

        def show(news: StageNews) -> None:
            if news.finished:
                ran.add(news.stage)
                bar.remove(news.stage)
                show_stage(news.stage, news.figures)
                dropped = news.figures.get("dropped", {})
                show_losses({reason: Loss(**counts) for reason, counts in dropped.items()})
            else:
                bar.show(news.stage, **news.figures)

        result = run_here(
            corpus,
            store,
            work,
            show,
            num_shards,
            model,
            warm_start,
            config=config,
            hparams=hparams,
            num_training_steps=num_training_steps,
            eval_ratio=eval_ratio,
            extraction=asdict(rules),
            transpose=transpose,
            seed=seed,
            early_stopping=early_stopping,
            mixed_precision=mixed_precision,
            gpus=gpus,
        )
    if "train" not in ran:
        console.print("nothing was retrained: corpus and parameters are unchanged")
    new = "new in" if result.is_new else "already in"
    console.print(f"version {result.version} of {model} is {new} {store}")
    console.print(f"report  {_shown(result.report)}", soft_wrap=True)
    console.print(f"bundle  {_shown(result.bundle)}", soft_wrap=True)
    console.print(f"curves  kakeai tensorboard {_shown(result.checkpoints)}", soft_wrap=True)


@app.command("compile")
def compile_(
    output: Annotated[Path, typer.Argument(help="YAML file to write.")] = Path("kakeai.yaml"),
) -> None:
    """Write the pipeline as the YAML that Kubeflow runs.

    Example: kakeai pipeline compile kakeai.yaml
    """
    from pipelines.dag import compile_pipeline

    compile_pipeline(output)
    console.print(f"wrote {output}")


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
