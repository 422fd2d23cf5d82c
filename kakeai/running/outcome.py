"""What became of a pipeline's run: WORK/outcomes/RUN.json, which the stage that knows it writes.

The exit handler reads it there, for Kubeflow tells such a task neither what a stage returned nor why it failed.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from kakeai.errors import ExitStatus
from kakeai.storage import bucket_errors, location, write_whole

RUN = "KAKEAI_RUN"  # environment variable of every stage: the run's id
RELEASED, REFUSED, KEPT, UNCHANGED, FAILED = "released", "refused", "kept", "unchanged", "failed"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        outcome: released, refused (not good enough), kept (no better than what is in service), unchanged
            (nothing to train on that is new) or failed.
        sentence: Why, for people.
        stage: The stage that said so.
        model: Its name in the store.
        version: The newest in the store now; 0 for none.
        figures: Numbers that the decision rests on.
        report: Address of the report; empty where there is none.
        bundle: Address of the folder that the bundle stage wrote; empty where there is none.
        exit_status: Of a command that this is the outcome of.
    """

    outcome: str
    sentence: str
    stage: str = ""
    model: str = ""
    version: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    report: str = ""
    bundle: str = ""
    exit_status: int = ExitStatus.DONE


def run_id() -> str:
    """Return the id of the run that this process is part of; empty outside one."""
    return os.environ.get(RUN, "")


def write_outcome(work: str, outcome: Outcome) -> None:
    """Write down how the run ends, over what an earlier attempt of a stage wrote; outside a run, nothing."""
    if run_id():
        place = _place(work)
        with bucket_errors(place):
            write_whole(place, json.dumps(asdict(outcome), indent=1).encode())


def read_outcome(work: str) -> Outcome | None:
    """Return what was written down of this run, None for nothing."""
    place = _place(work)
    with bucket_errors(place):
        return Outcome(**json.loads(place.read_text())) if place.is_file() else None


def keep_report(work: str, page: bytes) -> str:
    """Write the run's report where it outlasts the run, WORK/reports/RUN.html, and return its address."""
    if not run_id():
        return ""
    place = location(work) / "reports" / f"{run_id()}.html"
    with bucket_errors(place):
        write_whole(place, page)
    return str(place)


def _place(work: str) -> Any:  # noqa: ANN401  a local path or a bucket's
    return location(work) / "outcomes" / f"{run_id()}.json"
