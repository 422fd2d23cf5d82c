"""`kakeai pipeline`: the whole way at once, here or on Kubeflow."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import schedule
from cli.kubeflow import Deployment, Image, deployment, endpoint, places, training_pod
from cli.option_groups import with_options
from cli.progress import console, show_stage, stage_bar
from cli.recipe import Gpus, recipe, retraining

if TYPE_CHECKING:
    from pipelines.endpoint import Endpoint

app = typer.Typer(help="All seven stages as one Kubeflow pipeline.", no_args_is_help=True)
app.add_typer(schedule.app, name="schedule")


@app.command("run")
@with_options(recipe=recipe, retraining=retraining)
def run(
    corpus: Annotated[str, typer.Option(help="Folder (searched through), .zip or .tar of MIDI files.")],
    store: Annotated[str, typer.Option(help="The model store to release into.")],
    recipe: dict[str, Any],
    retraining: dict[str, Any],
    model: Annotated[str, typer.Option(help="Name to release under.")] = "kakeai",
    gpus: Gpus = None,
    work: Annotated[Path, typer.Option(help="Folder for what the stages hand on.")] = Path("work"),
) -> None:
    """Run the pipeline on this machine; with nothing new since the last release it ends in seconds.

    It ends with status 3 where the new model is not good enough to be released.

    Example: kakeai pipeline run --corpus my-midi --store store --config attention_rnn
    """
    from cli.reasons import show_losses
    from kakeai.melodies.ledger import Loss
    from kakeai.running.outcome import UNCHANGED
    from pipelines.here import StageNews, run_here

    with stage_bar() as bar:

        def show(news: StageNews) -> None:
            if news.finished:
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
            model,
            gpus="" if gpus is None else str(gpus),
            **retraining,
            **recipe,
        )
    told = result.outcome
    if told.outcome != UNCHANGED:  # then the survey's own line has said it
        console.print(f"[bold]{told.outcome}[/]: ", end="")
        console.print(told.sentence, markup=False, soft_wrap=True)
    if told.version:
        console.print(f"version {told.version} of {model} is the newest in {store}", soft_wrap=True)
    if result.report:
        console.print(f"report  {_shown(result.report)}", soft_wrap=True)
    if result.bundle:
        console.print(f"bundle  {_shown(result.bundle)}", soft_wrap=True)
    console.print(f"curves  kakeai tensorboard {_shown(result.checkpoints)}", soft_wrap=True)
    raise typer.Exit(told.exit_status)


@app.command("compile")
def compile_(
    output: Annotated[Path, typer.Argument(help="YAML file to write.")] = Path("kakeai.yaml"),
    image: Image = "",
) -> None:
    """Write the pipeline as the YAML that Kubeflow runs.

    Example: kakeai pipeline compile kakeai.yaml
    """
    from pipelines.dag import compile_pipeline

    compile_pipeline(output, image)
    console.print(f"wrote {output}")


@app.command("submit")
@with_options(recipe=recipe, places=places, pod=training_pod, deployment=deployment, endpoint=endpoint)
def submit(
    recipe: dict[str, Any],
    places: dict[str, Any],
    pod: dict[str, Any],
    deployment: Deployment,
    endpoint: "Endpoint",
) -> None:
    """Run the pipeline on Kubeflow, once.

    Example: kakeai pipeline submit --endpoint http://localhost:8888 --corpus gs://my-kakeai/corpus
    --store gs://my-kakeai/store --work gs://my-kakeai/work
    """
    from pipelines.dag import compiled
    from pipelines.schedule import submit as start

    name = f"{places['model']} {datetime.now(UTC).isoformat(timespec='seconds')}"
    run_id = start(
        endpoint,
        compiled(deployment.image),
        {**places, **recipe, **pod},
        name,
        deployment.service_account,
        deployment.pipeline_root,
    )
    console.print(f"run {run_id} of {places['model']} is submitted to {endpoint.address}", soft_wrap=True)


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
