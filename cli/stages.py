"""The stages as commands; `COMMANDS` has all of them, in the order in which they run."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.option_groups import with_options
from cli.progress import console, show_stage, stage_bar
from cli.recipe import (
    ConfigName,
    EarlyStopping,
    EvalRatio,
    FollowLinks,
    Gpus,
    Hparams,
    MaxMidiBytes,
    MixedPrecision,
    Seed,
    Transpose,
    WarmStart,
    extraction,
)
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import ExitStatus
from kakeai.model.training.learning_curve import PATIENCE
from kakeai.music.extraction import Extraction
from kakeai.storage import location

RunDir = Annotated[str, typer.Option(help="Folder of the training run, local or gs://.")]


def survey(
    corpus: Annotated[
        str, typer.Argument(help="Folder (searched through), .zip or .tar of MIDI files, or gs://…")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the manifest.")],
    store: Annotated[str, typer.Option(help="The model store to compare with; none by default.")] = "",
    model: Annotated[str, typer.Option(help="Name of the model in it.")] = "kakeai",
    allow_shrink: Annotated[
        bool,
        typer.Option(help="Take a corpus that has lost more than half of the files of the model in service."),
    ] = False,
    num_shards: Annotated[
        int | None,
        typer.Option(help="Parts to read it in; by default as many as are worth a pod each.", min=1),
    ] = None,
    max_midi_bytes: MaxMidiBytes = MAX_MIDI_BYTES,
    follow_links: FollowLinks = False,
) -> None:
    """What is in a corpus, and what is new or gone since the model in service was trained on it.

    Example: kakeai survey gs://my-bucket/midi --store gs://my-bucket/store --output work/survey
    """
    from kakeai.stages.survey import survey as run

    begun = time.monotonic()
    with stage_bar() as bar:
        result = run(
            corpus,
            output,
            store=store,
            model=model,
            allow_shrink=allow_shrink,
            num_shards=num_shards,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
            on_progress=lambda done, total: bar.show("survey", done, total),
        )
    show_stage("survey", {"sentence": result.sentence, "seconds": time.monotonic() - begun})


def ingest(
    corpus: Annotated[
        str, typer.Argument(help="Folder (searched through), .zip or .tar of MIDI files, or gs://…")
    ],
    output: Annotated[Path, typer.Option(help="Folder to write.")],
    shard: Annotated[int, typer.Option(help="Which part of the corpus, from 0.")] = 0,
    num_shards: Annotated[int, typer.Option(help="Into how many parts it is divided.")] = 1,
    processes: Annotated[
        int | None, typer.Option(help="Processes that read; one for each core by default.", min=1)
    ] = None,
    reuse: Annotated[
        str, typer.Option(help="Folder or gs://… that keeps what was read, for the next time.")
    ] = "",
    max_midi_bytes: MaxMidiBytes = MAX_MIDI_BYTES,
    follow_links: FollowLinks = False,
) -> None:
    """MIDI files → NoteSequences; ledger.jsonl says what became of each file.

    Example: kakeai ingest corpus --output work/note_sequences
    """
    from cli.reasons import show_reasons
    from kakeai.stages.ingest import ingest as run

    begun = time.monotonic()
    with stage_bar() as bar:
        result = run(
            corpus,
            output,
            shard,
            num_shards,
            num_processes=processes,
            reuse=reuse,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
            on_progress=lambda done, total: bar.show("ingest", done, total),
        )
    figures = {
        "files": result.num_files,
        "sequences": result.num_sequences,
        "rejected": result.num_rejected,
    }
    show_stage("ingest", {**figures, "seconds": time.monotonic() - begun})
    show_reasons(output)


@with_options(rules=extraction)
def convert(
    note_sequences: Annotated[list[Path], typer.Argument(help="Folders that ingest wrote.")],
    output: Annotated[Path, typer.Option(help="Folder of the dataset to write.")],
    config: ConfigName,
    rules: Extraction,
    eval_ratio: EvalRatio = 0.1,
    transpose: Transpose = "",
) -> None:
    """NoteSequences → a dataset of melodies, with a held-out side; ledger.jsonl tells of every file and track.

    Example: kakeai convert work/note_sequences --output work/dataset --config lookback_rnn
    """
    from cli.reasons import show_losses
    from kakeai.stages.convert import LEDGER
    from kakeai.stages.convert import convert as run

    begun = time.monotonic()
    with stage_bar() as bar:
        result = run(
            note_sequences,
            output,
            config,
            eval_ratio,
            rules,
            transpose,
            on_progress=lambda done, total: bar.show("convert", done, total),
        )
    figures = {
        "training_melodies": result.num_training_melodies,
        "eval_melodies": result.num_eval_melodies,
        "warning": result.warning,
    }
    show_stage("convert", {**figures, "seconds": time.monotonic() - begun})
    show_losses(result.dropped)
    console.print(f"every file and track stands in {output / LEDGER}", markup=False)


def train(
    dataset: Annotated[Path, typer.Argument(help="Folder that convert wrote.")],
    run_dir: RunDir,
    config: Annotated[str | None, typer.Option(help="Configuration; the dataset's by default.")] = None,
    hparams: Hparams = "",
    num_training_steps: Annotated[int, typer.Option(help="Steps in all.")] = 1000,
    seed: Seed = 0,
    warm_start: WarmStart = "",
    early_stopping: EarlyStopping = PATIENCE,
    mixed_precision: MixedPrecision = "",
    gpus: Gpus = None,
) -> None:
    """Train on a dataset; run it again to go on where it stopped.

    Example: kakeai train work/dataset --run-dir work/run --hparams batch_size=64 --num-training-steps 800
    """
    from kakeai.running.termination import sigterm_interrupts
    from kakeai.stages.train import Progress
    from kakeai.stages.train import train as run

    begun = time.monotonic()
    with stage_bar() as bar, sigterm_interrupts():

        def show(at: Progress) -> None:
            details: dict[str, Any] = {"loss": "compiling" if at.loss is None else f"{at.loss:.3f}"}
            if at.held_out:
                details["held_out"] = f"{at.held_out.loss:.3f}"
            bar.show("train", at.step, at.num_steps, **details)
            if at.warning:
                console.print(f"[yellow]{at.warning}[/]")

        try:
            result = run(
                dataset,
                location(run_dir),
                config,
                hparams,
                num_training_steps,
                seed=seed,
                warm_start=warm_start,
                early_stopping=early_stopping,
                mixed_precision=mixed_precision,
                gpus=gpus,
                on_progress=show,
            )
        except KeyboardInterrupt:
            console.print(f"Stopped; a checkpoint is in {run_dir}. The same command goes on from it.")
            raise
    show_stage("train", {**result.told, "seconds": time.monotonic() - begun})
    if result.stopped:
        console.print(f"          {result.stopped}")
    console.print(f"          curves: kakeai tensorboard {run_dir}")


def evaluate(
    dataset: Annotated[Path, typer.Argument(help="Folder that convert wrote.")],
    run_dir: RunDir,
    output: Annotated[Path, typer.Option(help="Folder for decision.json, metrics.json and report.html.")],
    step: Annotated[int | None, typer.Option(help="Which checkpoint; the best by default.")] = None,
    store: Annotated[str, typer.Option(help="A model store, whose newest version is the one to beat.")] = "",
    model: Annotated[str, typer.Option(help="The model's name there.")] = "kakeai",
) -> None:
    """Measure a model on the held-out tunes, beside an n-gram and the one in service, and decide on its release.

    Example: kakeai evaluate work/dataset --run-dir work/run --output work/evaluation --store store
    """
    from kakeai import store as model_store
    from kakeai.stages.evaluate import evaluate as run

    begun = time.monotonic()
    champion = model_store.champion(location(store), model) if store else 0
    with stage_bar() as bar:
        metrics = run(
            dataset,
            location(run_dir),
            output,
            step,
            store=store,
            model=model,
            champion=champion,
            on_progress=lambda done, total: bar.show("evaluate", done, total),
        )
    show_stage("evaluate", {**metrics, "seconds": time.monotonic() - begun})
    console.print(f"          report: {output / 'report.html'}")


def bundle(
    run_dir: RunDir,
    output: Annotated[Path, typer.Option(help="Folder to make: NAME.mag, NAME.hparams, saved_model.")],
    name: Annotated[str, typer.Option(help="The model's name.")] = "kakeai",
    step: Annotated[int | None, typer.Option(help="Which checkpoint; the best by default.")] = None,
) -> None:
    """Pack a checkpoint as Magenta's .mag and as a SavedModel; training may still be going on.

    Example: kakeai bundle --run-dir work/run --output work/bundle --name my_model
    """
    from kakeai.stages.bundle import bundle as run

    begun = time.monotonic()
    result = run(location(run_dir), output, name, step)
    figures = {"step": result.step, "bundle": str(result.bundle), "warning": result.warning}
    show_stage("bundle", {**figures, "seconds": time.monotonic() - begun})


def release(
    bundle: Annotated[Path, typer.Argument(help="Folder that bundle wrote.")],
    store: Annotated[str, typer.Option(help="The model store, a folder or gs://…")],
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder that evaluate wrote, whose decision counts.")
    ] = None,
    model: Annotated[str, typer.Option(help="Name to serve it under.")] = "kakeai",
    manifest: Annotated[
        Path | None, typer.Option(help="The corpus's manifest, to be kept with the model.")
    ] = None,
    overrule: Annotated[
        str, typer.Option(help="Your name: release it whatever the evaluation decided.", metavar="NAME")
    ] = "",
    because: Annotated[str, typer.Option(help="Why you overrule; name and reason stand on the card.")] = "",
) -> None:
    """Put a model into the store, once it has answered through a model server, if its evaluation says so.

    Exit status: 0 released, or in the store already; 2 bad input; 3 refused, with the reason.

    Example: kakeai release work/bundle --evaluation work/evaluation --store store
    """
    from kakeai.stages.release import REFUSE
    from kakeai.stages.release import release as run

    begun = time.monotonic()
    result = run(bundle, evaluation, store, model, manifest, overrule=overrule, because=because)
    figures = {"model": model, "version": result.version}
    show_stage("release", {**figures, "seconds": time.monotonic() - begun})
    refused = "refused: " if result.verdict == REFUSE else ""
    console.print(f"          {refused}{result.sentence}", markup=False)
    if result.verdict == REFUSE:
        raise typer.Exit(ExitStatus.REFUSED)


COMMANDS = {
    command.__name__: command for command in (survey, ingest, convert, train, evaluate, bundle, release)
}
