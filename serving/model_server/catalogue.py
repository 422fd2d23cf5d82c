"""What is served at this moment, for every thread that asks."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import (
    ModelVersionStatus,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorflow_serving.apis.model_pb2 import (
    ModelSpec,  # pyright: ignore[reportAttributeAccessIssue]
)

from kakeai.errors import KakeaiError
from serving.model_server.config import ServedModel
from serving.model_server.refusal import Refusal
from serving.model_server.servable import Servable
from serving.model_server.store import Folder
from serving.model_server.versions import (
    AVAILABLE,
    END,
    LOADING,
    START,
    UNLOADING,
    ModelVersions,
    Version,
)

log = logging.getLogger(__name__)


class Lease(NamedTuple):
    """The right to run a request on a version, which stays loaded meanwhile."""

    model: str
    number: int
    servable: Servable


class Catalogue:
    """The models and their versions, under one lock.

    It reads no store and loads nothing: the watcher asks it what to load and reports the outcome, requests
    take leases. Each version is unloaded in a thread of its own, without the lock: a large model takes seconds
    to free, and no request waits for that.
    """

    def __init__(self, models: Sequence[ServedModel], on_change: Callable[[bool], None]) -> None:
        """Begin with `models`, none of them loaded.

        `on_change` is told, whenever it may have changed, whether every model has a version to serve. It runs
        under the lock and must not call back.
        """
        self._changed = threading.Condition()
        self._models = {model.name: ModelVersions(model, self._unload) for model in models}
        self._unloads: dict[Version, threading.Thread] = {}
        self._on_change = on_change

    # For requests

    @contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[Lease]:
        """The version that `spec` asks for. Raises Refusal if there is none."""
        with self._changed:
            version = self._find(spec)
            assert version.servable is not None
            lease = Lease(version.model, version.number, version.servable)
            version.leases += 1
        try:
            yield lease
        finally:
            with self._changed:
                version.leave()

    def statuses(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """State of every version of a model, or of the one that `spec` numbers; the highest number first.

        Raises Refusal if there is none.
        """
        with self._changed:
            model = self._models.get(spec.name)
            statuses = [version.status() for version in model.all()] if model else []
        if not spec.HasField("version"):
            what = "any versions"
        else:
            what = f"version {spec.version.value}"
            statuses = [status for status in statuses if status.version == spec.version.value]
        if not statuses:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {spec.name}")
        return statuses

    def wait_until_available(self, name: str, timeout_seconds: float) -> None:
        """Return once a version of the model is available.

        Raises KakeaiError, saying what is missing, if that takes longer or no version that is there can be
        loaded.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                model = self._models.get(name)
                if model is None:
                    raise KakeaiError(f"Model {name} is not served here: name it when the server is started.")
                if model.available():
                    return
                wanted = model.wanted()
                hopeless = bool(wanted) and all(version.state == END for version in wanted)
                if hopeless or not self._changed.wait(deadline - time.monotonic()):
                    raise KakeaiError(f"Model {name} cannot be served: {model.why_unavailable()}")

    def serves(self, name: str) -> bool:
        """Whether there is a model of that name, loaded or not."""
        with self._changed:
            return name in self._models

    # For whoever decides what is served

    def replace(self, models: Sequence[ServedModel]) -> None:
        """Serve `models` from now on: those that go are unloaded, those that come are the watcher's to load.

        Raises Refusal, and changes nothing, if a label would move to a version that is not available, as TF
        Serving does under --allow_version_labels_for_unavailable_models.
        """
        with self._changed:
            for model in models:
                self._check_labels(model)
            for name in self._models.keys() - {model.name for model in models}:
                self._models.pop(name).want({})
            for model in models:
                self._models.setdefault(model.name, ModelVersions(model, self._unload)).served = model
            self._tell()

    def unavailable(self) -> dict[str, str]:
        """The models without a version to serve, and why."""
        with self._changed:
            return {n: m.why_unavailable() for n, m in self._models.items() if not m.available()}

    def close(self) -> None:
        """Unload everything now, and return once that is done; requests still under way are cancelled."""
        with self._changed:
            for model in self._models.values():
                for version in model.all():
                    if version.servable is not None:
                        self._unload(version)
            self._models = {}
            unloads = list(self._unloads.values())
        for thread in unloads:
            thread.join()

    # For the watcher

    def served(self) -> list[ServedModel]:
        """The models whose stores are to be watched."""
        with self._changed:
            return [model.served for model in self._models.values()]

    def want(self, served: ServedModel, folders: Mapping[int, Folder] | None, trouble: str) -> None:
        """Take in which versions of a model are to be served, or None if that cannot be told and all goes on.

        `trouble` says in a sentence why nothing can be served, or less than was asked for; "" if all is well.
        """
        with self._changed:
            model = self._models.get(served.name)
            if model is None or model.served is not served:
                return  # the configuration changed while the store was being read
            if trouble and trouble != model.trouble:
                log.warning("%s: %s", served.name, trouble)
            model.trouble = trouble
            if folders is not None:
                model.want(folders)
            self._tell()

    def next_to_load(self, name: str) -> Version | None:
        """The newest version of a model that is wanted and not yet tried; it is LOADING from here on."""
        with self._changed:
            model = self._models.get(name)
            waiting = model.waiting() if model else []
            if not waiting:
                return None
            waiting[0].state = LOADING
            return waiting[0]

    def loaded(self, version: Version, servable: Servable) -> None:
        """Serve a version from this moment, and unload what it replaces."""
        with self._changed:
            version.servable = servable
            version.state = AVAILABLE
            model = self._models.get(version.model)
            if model is None or version not in model.all():
                version.retire()  # its model went while it was being loaded
            else:
                model.drop_unwanted()
            self._tell()

    def not_loaded(self, version: Version, error_code: int, error: str) -> None:
        """Note that a version cannot be loaded; what is served goes on."""
        with self._changed:
            version.state = END
            version.error_code, version.error = error_code, error
            self._tell()

    def failed(self, name: str) -> list[Version]:
        """The versions of a model that are wanted and could not be loaded."""
        with self._changed:
            model = self._models.get(name)
            return model.failed() if model else []

    def try_again(self, version: Version) -> None:
        """Let a version that could not be loaded have another try."""
        with self._changed:
            version.state = START
            version.error_code, version.error = 0, ""

    # Under the lock

    def _find(self, spec: ModelSpec) -> Version:
        if not spec.name:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        model = self._models.get(spec.name)
        number = _number(spec, model.served.version_labels if model else {})
        wanted = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
        not_found = f"Servable not found for request: {wanted}"
        if model is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, not_found)
        available = model.available()
        if not available:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, f"{not_found}. {model.why_unavailable()}")
        found = [version for version in available if number in (None, version.number)]
        if not found:
            raise Refusal(grpc.StatusCode.NOT_FOUND, not_found)
        # Two folders share a number while a model moves to another store: the one that is wanted counts.
        return max(found, key=lambda version: (version.number, version.wanted))

    def _check_labels(self, new: ServedModel) -> None:
        old = self._models.get(new.name)
        if old is None:
            return
        available = {version.number for version in old.available()}
        for label, number in new.version_labels.items():
            if old.served.version_labels.get(label, number) != number and number not in available:
                raise Refusal(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {new.name}, "
                    "which is not currently available for inference",
                )

    def _unload(self, version: Version) -> None:
        version.state = UNLOADING
        if version not in self._unloads:
            thread = threading.Thread(target=self._close, args=[version], name="unload", daemon=True)
            self._unloads[version] = thread
            thread.start()

    def _tell(self) -> None:
        self._changed.notify_all()
        self._on_change(all(model.available() for model in self._models.values()))

    # In the thread that unloads a version, without the lock

    def _close(self, version: Version) -> None:
        try:
            if version.servable is not None:
                version.servable.close()
        except Exception:  # whatever TensorFlow raises, the version is gone from here on
            log.exception("%s version %d: unloading failed", version.model, version.number)
        else:
            log.info("%s version %d is unloaded", version.model, version.number)
        with self._changed:
            version.servable = None
            version.state = END
            del self._unloads[version]
            self._changed.notify_all()


def _number(spec: ModelSpec, labels: Mapping[str, int]) -> int | None:
    match spec.WhichOneof("version_choice"):
        case "version":
            return spec.version.value
        case "version_label" if spec.version_label in labels:
            return labels[spec.version_label]
        case "version_label":
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label}"
            )
    return None
