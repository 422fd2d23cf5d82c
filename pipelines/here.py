"""Run the pipeline on this machine: the same DAG, each stage in a process of its own (`kfp.local`)."""

import contextlib
import hashlib
import json
import tempfile
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from components.evaluate import REPORT
from components.stage import FINISHED, PROGRESS, REFUSED
from components.survey import survey
from kakeai.errors import KakeaiError
from kakeai.model.warm_start import bundle_at
from kakeai.processors import usable_processors
from kakeai.storage import location, read_bytes, write_whole
from pipelines.dag import kakeai_pipeline

FILES_A_SHARD = 2000  # below it, starting another process costs more than it saves


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


@dataclass(frozen=True)
class PipelineResult:
    """Where a run's results lie; each in the same place in every run.

    Attributes:
        version: The model's version in the store.
        is_new: Whether this run released it.
        report: The report to look at.
        bundle: The `.mag` file.
        checkpoints: Folder of the training runs, for TensorBoard.
    """

    version: int
    is_new: bool
    report: Path
    bundle: Path
    checkpoints: Path


def run_here(
    corpus: str,
    store: str,
    work: Path,
    on_news: Callable[[StageNews], None],
    num_shards: int | None = None,
    model: str = "kakeai",
    warm_start: str = "",
    **parameters: Any,  # noqa: ANN401
) -> PipelineResult:
    """Run the pipeline; stages whose inputs did not change since an earlier run are not run again.

    Args:
        corpus: Folder of MIDI files, local or gs://.
        store: The model store.
        work: Folder for what the stages hand on, checkpoints and the log; made if missing.
        on_news: Called with what the stages say.
        num_shards: Parts that the corpus is read in; by default as many as pay on this machine.
        model: Name to release under.
        warm_start: Bundle (`.mag`) whose weights training begins with, or a version's folder in a store.
        parameters: Others of `pipelines.dag.kakeai_pipeline`.

    Raises:
        KakeaiError: A stage refused its input (its own sentence) or failed (where its log is).
    """
    fingerprint, num_files = fingerprint_of(corpus)
    start = bundle_at(warm_start).absolute() if warm_start else None
    if num_shards is None:
        num_shards = max(1, min(usable_processors(), num_files // FILES_A_SHARD))
    work = work.absolute()
    root = work / "stages"
    root.mkdir(parents=True, exist_ok=True)
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        enable_caching=True,
        cache_root=str(work / "cache"),
    )
    log_path = work / "pipeline.log"
    with log_path.open("w") as log, _reported(log, on_news) as heard, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You may be attemping to run a task", RuntimeWarning)
        try:
            outputs = kakeai_pipeline(
                corpus=str(location(corpus).absolute()) if "://" not in corpus else corpus,
                store=str(location(store).absolute()) if "://" not in store else store,
                checkpoints=str(work / "checkpoints"),
                corpus_fingerprint=fingerprint,
                shards=list(range(num_shards)),
                num_shards=num_shards,
                model=model,
                warm_start=str(start) if start else "",
                warm_start_fingerprint=hashlib.sha256(read_bytes(start)).hexdigest() if start else "",
                **parameters,
            ).outputs  # pyright: ignore[reportAttributeAccessIssue]  the task that KFP makes of it
        except RuntimeError as error:
            refused = heard.refused or f"a stage failed ({heard.last_line}); the whole log is {log_path}"
            raise KakeaiError(refused) from error
    released = json.loads(Path(outputs["released"].path).read_text())
    report, bundle = work / REPORT, work / f"{model}.mag"
    write_whole(report, Path(outputs["evaluation"].path, REPORT).read_bytes())
    for path in (bundle.with_suffix(".hparams"), bundle):
        write_whole(path, Path(outputs["bundled"].path, path.name).read_bytes())
    return PipelineResult(released["version"], released["new"], report, bundle, work / "checkpoints")


def fingerprint_of(corpus: str) -> tuple[str, int]:
    """Return a hash over the contents of a corpus's files, and how many there are.

    Raises:
        KakeaiError: There is no such folder.
    """
    with tempfile.TemporaryDirectory(prefix="kakeai-") as aside:
        surveyed = survey(corpus, Path(aside, "survey"))
    return surveyed.fingerprint, surveyed.num_files


class _Reporter:
    """Standard output while the pipeline runs: all of it goes to the log, what stages tell to `on_news`."""

    def __init__(self, log: TextIO, on_news: Callable[[StageNews], None]) -> None:
        self._log, self._on_news = log, on_news
        self._lock = threading.Lock()
        self._line = ""
        self.refused = ""
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
        if line.startswith(REFUSED):
            self.refused = line.removeprefix(REFUSED)
        elif line.startswith((PROGRESS, FINISHED)):
            figures = json.loads(line.split(" ", 1)[1])
            name, is_end = figures.pop("stage"), line.startswith(FINISHED)
            if is_end:
                self.finished[name] = figures
            self._on_news(StageNews(name, is_end, figures))
        elif line and "Error" in line:
            self.last_line = line


@contextlib.contextmanager
def _reported(log: TextIO, on_news: Callable[[StageNews], None]):  # noqa: ANN202
    reporter = _Reporter(log, on_news)
    with contextlib.redirect_stdout(reporter):  # type: ignore[type-var]
        yield reporter
