"""The thread that keeps what is served in step with the model stores."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from kakeai.errors import KakeaiError
from serving.model_server.catalogue import Catalogue
from serving.model_server.config import ServedModel, Specific
from serving.model_server.metrics import Metrics
from serving.model_server.refusal import Refusal
from serving.model_server.servable import Servable
from serving.model_server.store import contents, find_versions, on_this_machine
from serving.model_server.versions import Version
from serving.model_server.warmup import replay_warmup

UNKNOWN = 2  # tensorflow.error.Code

# The storage client asks a bucket that does not answer for two minutes: too long to wait for at the end.
LAST_LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


class StoreWatcher:
    """Looks into the models' stores time and again, and loads what the catalogue lacks.

    One thread, one version at a time: a small machine has no room to load two at once.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        load: Callable[[str, Path], Servable],
        poll_seconds: float,
        metrics: Metrics,
    ) -> None:
        """Look every `poll_seconds`; 0: once, and again only when asked.

        `load` loads a folder with a version of the model of a name; `metrics` count how that goes.
        """
        self._metrics = metrics
        self._catalogue = catalogue
        self._load_folder = load
        self._poll_seconds = poll_seconds
        self._turn = threading.Condition()
        self._asked = 1  # looks asked for so far, and of them those done; the first is asked for by starting
        self._done = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="store-watcher", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the version that is being loaded or the store that is being read."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        self._thread.join(LAST_LOOK_SECONDS)

    def look_now(self, timeout_seconds: float | None) -> bool:
        """Look into every store and load what is new, all from the start; whether that was done in time."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._done >= mine or self._stopping, timeout_seconds)
            return self._done >= mine

    def _run(self) -> None:
        while not self._stopping:
            with self._turn:
                asked = self._asked
            for served in self._catalogue.served():
                try:
                    self._look(served)
                    self._load(served)
                except Exception:  # whatever is wrong with one model, the others are still looked after
                    log.exception("%s: cannot be looked after", served.name)
            with self._turn:
                self._done = asked
                self._turn.notify_all()
                self._turn.wait_for(
                    lambda: self._stopping or self._asked > self._done, self._poll_seconds or None
                )

    def _look(self, served: ServedModel) -> None:
        try:
            found = find_versions(served.base_path)
        except KakeaiError as error:
            self._catalogue.want(served, None, str(error))
            return
        chosen = {number: found[number] for number in served.policy.choose(found)}
        self._catalogue.want(served, chosen, _trouble(served, set(found)))
        for version in self._catalogue.failed(served.name):
            if version.tried != contents(version.folder):
                self._catalogue.try_again(version)

    def _load(self, served: ServedModel) -> None:
        while not self._stopping and (version := self._catalogue.next_to_load(served.name)):
            began = time.perf_counter()
            try:
                version.tried = contents(version.folder)
                servable, replayed = self._load_version(version)
            except Exception as error:  # TensorFlow, protobuf and the storage client each raise their own
                code, message = _code_and_message(error)
                log.error("%s version %d cannot be loaded: %s", version.model, version.number, message)
                self._metrics.load_attempt_count.add(str(version.folder), "fail")
                self._catalogue.not_loaded(version, code, message)
                continue
            self._metrics.load_attempt_count.add(str(version.folder), "success")
            self._catalogue.loaded(version, servable)
            log.info(
                "%s version %d is available: loaded in %.1f s, %d warm-up requests",
                version.model,
                version.number,
                time.perf_counter() - began,
                replayed,
            )

    def _load_version(self, version: Version) -> tuple[Servable, int]:
        with on_this_machine(version.folder) as folder:
            servable = self._load_folder(version.model, folder)
            try:
                began = time.perf_counter()
                replayed = replay_warmup(servable, folder)
                took = (time.perf_counter() - began) * 1e6
                self._metrics.warmup_latency.add(took, str(version.folder), "OK")
                return servable, replayed
            except BaseException:
                servable.close()
                raise


def _code_and_message(error: Exception) -> tuple[int, str]:
    match error:
        case tf.errors.OpError():
            return error.error_code, error.message
        case Refusal():
            return error.code.value[0], error.message
        case _:
            return UNKNOWN, str(error) or type(error).__name__


def _trouble(served: ServedModel, found: set[int]) -> str:
    if not found:
        return (
            f"The model's folder {served.base_path} holds no version: "
            f"a version is a SavedModel's folder with a whole number for a name, such as {served.base_path}/1."
        )
    missing = set(served.policy.versions) - found if isinstance(served.policy, Specific) else set[int]()
    if missing:
        return f"Version {min(missing)}, which the version policy asks for, is not in {served.base_path}."
    return ""
