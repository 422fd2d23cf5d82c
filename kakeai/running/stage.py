"""What every stage tells those who watch it: lines of its log that a person or a runner can read.

KAKEAI_PROGRESS {"stage": "train", "done": 120, "total": 800}
KAKEAI_STAGE    {"stage": "train", "steps": 800, "seconds": 151.2}
KAKEAI_ERROR    one sentence that says what to do
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from kakeai.disk import as_disk_error
from kakeai.errors import KakeaiError
from kakeai.running.outcome import FAILED, Outcome, write_outcome

PROGRESS, FINISHED, REFUSED = "KAKEAI_PROGRESS ", "KAKEAI_STAGE ", "KAKEAI_ERROR "
SECONDS_BETWEEN_LINES = 1.0


class Stage:
    """A stage that runs.

    Attributes:
        name: One of the seven.
        figures: What it will report in the end, by name.
    """

    def __init__(self, name: str) -> None:
        """Begin to count the seconds."""
        self.name = name
        self.figures: dict[str, Any] = {}
        self._begun = self._told = time.monotonic()

    def progress(self, done: int, total: int, **details: Any) -> None:  # noqa: ANN401
        """Tell how far it is, once a second at most."""
        if time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            _tell(PROGRESS, {"stage": self.name, "done": done, "total": total, **details})

    def finish(self) -> None:
        """Tell the figures and the seconds."""
        seconds = round(time.monotonic() - self._begun, 1)
        _tell(FINISHED, {"stage": self.name, **self.figures, "seconds": seconds})


@contextmanager
def stage(name: str, work: str) -> Iterator[Stage]:
    """Run a stage inside its container or process; `work` is where the run's outcome is written down.

    What the user can put right ends the process with its sentence and exit status, not with a traceback.
    """
    running = Stage(name)
    try:
        yield running
    except KakeaiError as error:
        _refuse(error, name, work)
    except OSError as error:
        disk_error = as_disk_error(error)
        if disk_error is None:
            raise
        _refuse(disk_error, name, work)
    running.finish()


def _refuse(error: KakeaiError, name: str, work: str) -> NoReturn:
    print(f"{REFUSED}{error}", flush=True)
    with suppress(KakeaiError, OSError):  # where the outcome cannot be written, the log has it
        write_outcome(work, Outcome(FAILED, str(error), name, exit_status=error.exit_status))
    raise SystemExit(error.exit_status) from None


def _tell(prefix: str, content: dict[str, Any]) -> None:
    print(prefix + json.dumps(content), flush=True)
