"""Runs on Kubeflow, now and on a schedule: of every schedule at most one run at a time, and none made up for."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kakeai.errors import KakeaiError
from pipelines.endpoint import Endpoint

EXPERIMENT = "kakeai"
PAGE = 200  # the most that KFP gives at a time
RUNS_SHOWN = 5
IN_PROGRESS = ("PENDING", "RUNNING", "PAUSED", "CANCELING", "RUNTIME_STATE_UNSPECIFIED")


@dataclass(frozen=True)
class RunShown:
    """A run of a schedule.

    Attributes:
        run_id: KFP's identifier.
        name: For people.
        state: PENDING, RUNNING, SUCCEEDED, FAILED, …
        created: When it began.
    """

    run_id: str
    name: str
    state: str
    created: datetime | None


@dataclass(frozen=True)
class Schedule:
    """A schedule as the endpoint has it.

    Attributes:
        schedule_id: KFP's identifier.
        name: Its display name.
        cron: KFP's six fields: second, minute, hour, day of the month, month, day of the week.
        is_paused: Whether it starts no runs for now.
        parameters: Of each run.
        runs: The newest, newest first; only if asked for.
    """

    schedule_id: str
    name: str
    cron: str
    is_paused: bool
    parameters: dict[str, Any]
    runs: tuple[RunShown, ...] = ()


def submit(
    endpoint: Endpoint,
    package: dict[str, Any],
    parameters: dict[str, Any],
    name: str,
    service_account: str,
    pipeline_root: str = "",
) -> str:
    """Start a run and return its id.

    Args:
        endpoint: Where.
        package: The compiled pipeline (`pipelines.dag.compiled`).
        parameters: Of the pipeline.
        name: Of the run, for people.
        service_account: Whom its pods run as.
        pipeline_root: Where its artifacts go; by default where the cluster's settings say.

    Raises:
        ServiceError: The endpoint refused, or is not there.
    """
    from kfp_server_api import V2beta1Run, V2beta1RuntimeConfig

    run = V2beta1Run(
        experiment_id=_experiment(endpoint),
        display_name=name,
        pipeline_spec=package,
        runtime_config=V2beta1RuntimeConfig(parameters=parameters, pipeline_root=pipeline_root or None),
        service_account=service_account,
    )
    with endpoint.asked():
        return endpoint.runs.run_service_create_run(run).run_id


def create(
    endpoint: Endpoint,
    package: dict[str, Any],
    parameters: dict[str, Any],
    name: str,
    cron: str,
    service_account: str,
    pipeline_root: str = "",
) -> Schedule:
    """Create a schedule; the arguments beside `cron` are those of `submit`.

    Args:
        cron: Five fields, as everywhere (in UTC, unless the cluster's controller is told otherwise), or
            KFP's six, which begin with seconds.

    Raises:
        KakeaiError: A `cron` of other than five or six fields, or a schedule of that name is there.
        ServiceError: The endpoint refused, or is not there.
    """
    from kfp_server_api import (
        RecurringRunMode,
        V2beta1CronSchedule,
        V2beta1RecurringRun,
        V2beta1RuntimeConfig,
        V2beta1Trigger,
    )

    fields = six_fields(cron)
    experiment = _experiment(endpoint)
    if _named(endpoint, name):
        raise KakeaiError(f"there is a schedule {name} already; delete it first, or give another --name")
    schedule = V2beta1RecurringRun(
        experiment_id=experiment,
        display_name=name,
        pipeline_spec=package,
        runtime_config=V2beta1RuntimeConfig(parameters=parameters, pipeline_root=pipeline_root or None),
        service_account=service_account,
        trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=fields)),
        max_concurrency="1",
        no_catchup=True,
        mode=RecurringRunMode.ENABLE,
    )
    with endpoint.asked():
        return _schedule(endpoint.schedules.recurring_run_service_create_recurring_run(schedule))


def show(endpoint: Endpoint) -> list[Schedule]:
    """Return the schedules, each with its newest runs.

    Raises:
        ServiceError: The endpoint refused, or is not there.
    """
    experiment = _experiment(endpoint)
    with endpoint.asked():
        found = endpoint.schedules.recurring_run_service_list_recurring_runs(
            experiment_id=experiment, page_size=PAGE
        )
        return [
            _schedule(each, _runs_of(endpoint, each.recurring_run_id, experiment)[:RUNS_SHOWN])
            for each in found.recurring_runs or []
        ]


def pause(endpoint: Endpoint, name: str) -> None:
    """Start no runs until `resume`; what runs goes on."""
    schedule = _one(endpoint, name)
    with endpoint.asked():
        endpoint.schedules.recurring_run_service_disable_recurring_run(schedule.recurring_run_id)


def resume(endpoint: Endpoint, name: str) -> None:
    """Start runs again; those missed in between are not made up for."""
    schedule = _one(endpoint, name)
    with endpoint.asked():
        endpoint.schedules.recurring_run_service_enable_recurring_run(schedule.recurring_run_id)


def delete(endpoint: Endpoint, name: str) -> None:
    """Delete a schedule; its runs and what they released stay."""
    schedule = _one(endpoint, name)
    with endpoint.asked():
        # A run in progress goes on; it would be deleted with the schedule, which owns it.
        endpoint.schedules.recurring_run_service_delete_recurring_run(
            schedule.recurring_run_id, propagation_policy="ORPHAN"
        )


def run_now(endpoint: Endpoint, name: str) -> str:
    """Start a run with a schedule's own pipeline, parameters and account, and return its id.

    Raises:
        KakeaiError: There is no such schedule, or a run of it is in progress.
        ServiceError: The endpoint refused, or is not there.
    """
    from kfp_server_api import V2beta1Run

    schedule = _one(endpoint, name)
    with endpoint.asked():
        for run in _runs_of(endpoint, schedule.recurring_run_id, schedule.experiment_id):
            if run.state in IN_PROGRESS:
                raise KakeaiError(f"the run {run.name} is {run.state}; a schedule has one run at a time")
        run = V2beta1Run(
            experiment_id=schedule.experiment_id,
            # KFP answers with the earlier run where a schedule has one of the same name.
            display_name=f"{name} by hand {datetime.now(UTC).isoformat(timespec='seconds')}",
            recurring_run_id=schedule.recurring_run_id,
            pipeline_spec=schedule.pipeline_spec,
            pipeline_version_reference=schedule.pipeline_version_reference,
            runtime_config=schedule.runtime_config,
            service_account=schedule.service_account,
        )
        return endpoint.runs.run_service_create_run(run).run_id


def six_fields(cron: str) -> str:
    """Return a cron expression as KFP reads it; with five fields it would take minutes for seconds.

    Raises:
        KakeaiError: It has other than five or six fields, or signs that cron has not.
    """
    fields = cron.split()
    if len(fields) not in (5, 6) or not all(re.fullmatch(r"[\w*?/,#-]+", field) for field in fields):
        raise KakeaiError(
            f"--cron {cron!r} is none: minute, hour, day, month and weekday, such as '0 3 * * 1'"
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def _experiment(endpoint: Endpoint) -> str:
    from kfp_server_api import V2beta1Experiment

    with endpoint.asked():
        found = endpoint.experiments.experiment_service_list_experiments(
            filter=_display_name_is(EXPERIMENT), namespace=endpoint.namespace
        )
        for experiment in found.experiments or []:
            return experiment.experiment_id
        made = V2beta1Experiment(display_name=EXPERIMENT, namespace=endpoint.namespace or None)
        return endpoint.experiments.experiment_service_create_experiment(made).experiment_id


def _named(endpoint: Endpoint, name: str) -> list[Any]:
    experiment = _experiment(endpoint)
    with endpoint.asked():
        found = endpoint.schedules.recurring_run_service_list_recurring_runs(
            experiment_id=experiment, filter=_display_name_is(name)
        )
    return found.recurring_runs or []


def _one(endpoint: Endpoint, name: str) -> Any:  # noqa: ANN401  a V2beta1RecurringRun
    found = _named(endpoint, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise KakeaiError(
            f"{len(found)} schedules are called {name}; delete what is too many on Kubeflow's page"
        )
    others = ", ".join(schedule.name for schedule in show(endpoint)) or "none"
    raise KakeaiError(f"there is no schedule {name} at {endpoint.address}; there: {others}")


def _runs_of(endpoint: Endpoint, schedule_id: str, experiment: str) -> list[RunShown]:
    newest = endpoint.runs.run_service_list_runs(
        experiment_id=experiment, sort_by="created_at desc", page_size=PAGE
    )
    return [
        RunShown(run.run_id, run.display_name, run.state or "PENDING", run.created_at)
        for run in newest.runs or []
        if run.recurring_run_id == schedule_id
    ]


def _schedule(made: Any, runs: Sequence[RunShown] = ()) -> Schedule:  # noqa: ANN401  a V2beta1RecurringRun
    cron = made.trigger.cron_schedule.cron if made.trigger and made.trigger.cron_schedule else ""
    parameters = (made.runtime_config and made.runtime_config.parameters) or {}
    paused = made.status == "DISABLED"
    return Schedule(made.recurring_run_id, made.display_name, cron, paused, parameters, tuple(runs))


def _display_name_is(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]})
