"""Run the pipeline on this machine: the same DAG, each stage in a process of its own (`kfp.local`)."""

import contextlib
import copy
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from kakeai.errors import ExitStatus, KakeaiError
from kakeai.outputs import check_folder, check_outside
from kakeai.running.outcome import FAILED, RUN, Outcome, read_outcome
from kakeai.running.stage import FINISHED, PROGRESS
from kakeai.stages.evaluate import REPORT
from kakeai.storage import location, write_whole
from pipelines.dag import kakeai_pipeline


@dataclass(frozen=True)
class StageNews:
    """What a stage said.

    Attributes:
        stage: Its name.
        finished: Whether it has ended; else this is progress.
        figures: `done`, `total` and details of a progress; the stage's own figures and `seconds` at its end.
    """

    stage: str
    finished: bool
    figures: dict[str, Any]


class StageError(KakeaiError):
    """A stage ended without a result; with the stage's own exit status, if it is one that it chose."""

    def __init__(self, sentence: str, exit_status: int = ExitStatus.FAULT) -> None:
        """Say why."""
        super().__init__(sentence)
        self.exit_status = ExitStatus(exit_status)


@dataclass(frozen=True)
class PipelineResult:
    """How a run ended, and where its results lie; each in the same place in every run.

    Attributes:
        outcome: What became of it.
        report: The newest report to look at; None if there was no run yet that came so far.
        bundle: The newest `.mag` file; None likewise.
        checkpoints: Folder of the training runs, for TensorBoard.
    """

    outcome: Outcome
    report: Path | None
    bundle: Path | None
    checkpoints: Path


def run_here(
    corpus: str,
    store: str,
    work: Path,
    on_news: Callable[[StageNews], None],
    model: str,
    **parameters: Any,  # noqa: ANN401
) -> PipelineResult:
    """Run the pipeline; stages whose inputs did not change since an earlier run are not run again.

    Args:
        corpus: Folder of MIDI files, local or gs://.
        store: The model store.
        work: Folder for what the stages hand on, checkpoints and the log; made if missing.
        on_news: Called with what the stages say.
        model: Name to release under.
        parameters: Others of `pipelines.dag.kakeai_pipeline`.

    Raises:
        KakeaiError: `work` cannot be written, lies in the corpus or the store's model, or holds a file that would be
            overwritten and that no run wrote.
        StageError: A stage refused its input (its own sentence) or failed (where its log is).
    """
    check_folder(work, "--work")
    check_outside(work, "--work", [("--corpus", corpus), ("the store's model", location(store) / model)])
    work = work.absolute()
    root, log_path = work / "stages", work / "pipeline.log"
    report, bundle = work / REPORT, work / f"{model}.mag"
    _check_overwritten(root, log_path, report, bundle, bundle.with_suffix(".hparams"))
    root.mkdir(parents=True, exist_ok=True)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        enable_caching=True,
        cache_root=str(work / "cache"),
    )
    pipeline: Any = copy.deepcopy(kakeai_pipeline)
    for component in pipeline.pipeline_spec.components.values():
        for task in component.dag.tasks.values():
            task.ClearField("retry_policy")  # whoever sits here hears at once what is wrong
    with (
        log_path.open("w") as log,
        _reported(log, on_news) as heard,
        _run_named(datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "You may be attemping to run a task", RuntimeWarning)
        warnings.filterwarnings("ignore", ".*have no effect in the current local runner", UserWarning)
        try:
            pipeline(
                corpus=_absolute(corpus), store=_absolute(store), work=str(work), model=model, **parameters
            )
        except RuntimeError as error:
            told = read_outcome(str(work))
            if told and told.outcome == FAILED:
                raise StageError(told.sentence, told.exit_status) from None
            raise StageError(f"a stage failed ({heard.last_line}); the whole log is {log_path}") from error
        outcome = read_outcome(str(work))
    if outcome is None:
        raise StageError(f"the run ended without a word; the whole log is {log_path}")
    if outcome.report:
        write_whole(report, Path(outcome.report).read_bytes())
    if outcome.bundle:
        for path in (bundle.with_suffix(".hparams"), bundle):
            write_whole(path, Path(outcome.bundle, path.name).read_bytes())
    return PipelineResult(
        outcome,
        report if report.exists() else None,
        bundle if bundle.exists() else None,
        work / "checkpoints",
    )


def _check_overwritten(stages: Path, log: Path, *results: Path) -> None:
    """Refuse to overwrite a log without a run, and results that no stage of an earlier run wrote."""
    strange = [path for path in results if path.exists() and not any(stages.rglob(escape(path.name)))]
    if log.exists() and not stages.is_dir():
        strange.insert(0, log)
    if strange:
        raise KakeaiError(
            f"{strange[0]} would be overwritten, and no earlier run wrote it; move it, or choose another --work"
        )


def _absolute(place: str) -> str:
    return place if "://" in place else str(location(place).absolute())


@contextlib.contextmanager
def _run_named(run: str) -> Iterator[None]:
    # The stages' processes have this one's environment, as pods have it from their labels.
    os.environ[RUN] = run
    try:
        yield
    finally:
        del os.environ[RUN]


class _Reporter:
    """Standard output while the pipeline runs: all of it goes to the log, what stages tell to `on_news`."""

    def __init__(self, log: TextIO, on_news: Callable[[StageNews], None]) -> None:
        self._log, self._on_news = log, on_news
        self._lock = threading.Lock()
        self._line = ""
        self.last_line = ""
        self.finished: dict[str, dict[str, Any]] = {}

    def write(self, text: str) -> int:
        with self._lock:
            self._log.write(text)
            *lines, self._line = (self._line + text).split("\n")
            for line in lines:
                self._read(line.strip())
        return len(text)

    def flush(self) -> None:
        self._log.flush()

    def isatty(self) -> bool:
        return False

    def _read(self, line: str) -> None:
        if line.startswith((PROGRESS, FINISHED)):
            figures = json.loads(line.split(" ", 1)[1])
            name, is_end = figures.pop("stage"), line.startswith(FINISHED)
            if is_end:
                self.finished[name] = figures
            self._on_news(StageNews(name, is_end, figures))
        elif line and "Error" in line:
            self.last_line = line


@contextlib.contextmanager
def _reported(log: TextIO, on_news: Callable[[StageNews], None]) -> Iterator[_Reporter]:
    reporter = _Reporter(log, on_news)
    with contextlib.redirect_stdout(reporter):  # type: ignore[type-var]
        yield reporter
