"""`kakeai pipeline schedule`: retraining that runs itself."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.kubeflow import Deployment, deployment, endpoint, places, training_pod
from cli.option_groups import with_options
from cli.progress import console
from cli.recipe import recipe

if TYPE_CHECKING:
    from pipelines.endpoint import Endpoint

app = typer.Typer(help="Retrain on Kubeflow, on a schedule.", no_args_is_help=True)
Name = Annotated[str, typer.Option(help="Of the schedule.")]


@app.command("create")
@with_options(recipe=recipe, places=places, pod=training_pod, deployment=deployment, endpoint=endpoint)
def create(
    cron: Annotated[
        str, typer.Option(help="Minute, hour, day, month and weekday, such as '0 3 * * 1'; in UTC.")
    ],
    recipe: dict[str, Any],
    places: dict[str, Any],
    pod: dict[str, Any],
    deployment: Deployment,
    endpoint: "Endpoint",
    name: Name = "kakeai",
) -> None:
    """Run the pipeline again and again; one run at a time, and those missed are not made up for.

    Example: kakeai pipeline schedule create --endpoint http://localhost:8888 --cron '0 3 * * 1'
    --corpus gs://my-kakeai/corpus --store gs://my-kakeai/store --work gs://my-kakeai/work --min-new 20
    """
    from pipelines import schedule
    from pipelines.dag import compiled

    made = schedule.create(
        endpoint,
        compiled(deployment.image),
        {**places, **recipe, **pod},
        name,
        cron,
        deployment.service_account,
        deployment.pipeline_root,
    )
    console.print(f"schedule {name} is created: {made.cron}, corpus {places['corpus']}", soft_wrap=True)


@app.command("show")
@with_options(endpoint=endpoint)
def show(endpoint: "Endpoint") -> None:
    """Show the schedules, their parameters and newest runs."""
    from pipelines import schedule

    found = schedule.show(endpoint)
    for each in found:
        console.print(f"{each.name}  {each.cron}  {'paused' if each.is_paused else 'on'}", markup=False)
        for parameter, value in sorted(each.parameters.items()):
            console.print(f"    {parameter} = {value}", markup=False, soft_wrap=True)
        for run in each.runs:
            console.print(f"    {run.created:%Y-%m-%d %H:%M}  {run.state:<9}  {run.name}", markup=False)
    if not found:
        console.print(f"no schedules at {endpoint.address}", soft_wrap=True)


@app.command("pause")
@with_options(endpoint=endpoint)
def pause(endpoint: "Endpoint", name: Name = "kakeai") -> None:
    """Start no runs until resumed; what runs goes on."""
    from pipelines import schedule

    schedule.pause(endpoint, name)
    console.print(f"schedule {name} is paused")


@app.command("resume")
@with_options(endpoint=endpoint)
def resume(endpoint: "Endpoint", name: Name = "kakeai") -> None:
    """Start runs again; those missed meanwhile are not made up for."""
    from pipelines import schedule

    schedule.resume(endpoint, name)
    console.print(f"schedule {name} is on")


@app.command("delete")
@with_options(endpoint=endpoint)
def delete(endpoint: "Endpoint", name: Name = "kakeai") -> None:
    """Delete a schedule; its runs, and what they released, stay."""
    from pipelines import schedule

    schedule.delete(endpoint, name)
    console.print(f"schedule {name} is deleted")


@app.command("run-now")
@with_options(endpoint=endpoint)
def run_now(endpoint: "Endpoint", name: Name = "kakeai") -> None:
    """Start a run of a schedule at once, with its very pipeline, parameters and account."""
    from pipelines import schedule

    console.print(f"run {schedule.run_now(endpoint, name)} of {name} is submitted", soft_wrap=True)
