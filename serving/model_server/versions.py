"""The versions of one model, and the rule by which they come and go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tensorflow_serving.apis.get_model_status_pb2 import (
    ModelVersionStatus,  # pyright: ignore[reportAttributeAccessIssue]
)

from serving.model_server.config import ServedModel
from serving.model_server.servable import Servable
from serving.model_server.store import Folder

START = ModelVersionStatus.START
LOADING = ModelVersionStatus.LOADING
AVAILABLE = ModelVersionStatus.AVAILABLE
UNLOADING = ModelVersionStatus.UNLOADING
END = ModelVersionStatus.END


@dataclass(eq=False)
class Version:
    """One version of one model, from when the store first showed it until after it was unloaded."""

    model: str
    number: int
    folder: Folder
    unload: Callable[["Version"], None]  # called once the version is retired and no request runs on it
    state: ModelVersionStatus.State = START
    wanted: bool = True  # the store has it and the model's policy asks for it
    servable: Servable | None = None  # while AVAILABLE or UNLOADING
    leases: int = 0  # requests that run on it
    error_code: int = 0  # tensorflow.error.Code, which numbers as gRPC does; 0 is OK
    error: str = ""
    tried: frozenset[tuple[str, int, float]] = frozenset()  # what its folder held when it was last loaded

    def status(self) -> ModelVersionStatus:
        """What GetModelStatus says of it."""
        return ModelVersionStatus(
            version=self.number,
            state=self.state,
            status={"error_code": self.error_code, "error_message": self.error},
        )

    def retire(self) -> None:
        """Take no new requests, and unload once the last one has left."""
        self.state = UNLOADING
        self._unload_if_left()

    def leave(self) -> None:
        """End a lease."""
        self.leases -= 1
        self._unload_if_left()

    def _unload_if_left(self) -> None:
        if self.state == UNLOADING and self.leases == 0:
            self.unload(self)


class ModelVersions:
    """One model's versions by folder. Not safe between threads: the catalogue locks.

    The rule is TF Serving's availability-preserving policy: a version that is not wanted any more goes on
    until a wanted one is available, or until none is wanted at all.
    """

    def __init__(self, served: ServedModel, unload: Callable[[Version], None]) -> None:
        """Begin with no version; `unload` is called for each one that is retired and left."""
        self.served = served
        self._unload = unload
        self.trouble = ""  # why the store offers nothing (more) to serve
        self._by_folder: dict[Folder, Version] = {}

    def all(self) -> list[Version]:
        """Every version seen so far, the highest number first."""
        return sorted(self._by_folder.values(), key=lambda version: -version.number)

    def available(self) -> list[Version]:
        """The versions that take requests, the highest number first."""
        return self._where(lambda version: version.state == AVAILABLE)

    def wanted(self) -> list[Version]:
        """The versions that the store has and the policy asks for, the highest number first."""
        return self._where(lambda version: version.wanted)

    def waiting(self) -> list[Version]:
        """The wanted versions not yet tried, the highest number first."""
        return self._where(lambda version: version.wanted and version.state == START)

    def failed(self) -> list[Version]:
        """The wanted versions that could not be loaded, the highest number first."""
        return self._where(lambda version: version.wanted and bool(version.error))

    def want(self, folders: Mapping[int, Folder]) -> None:
        """Take in which versions, by number, are to be served from now on."""
        for number, folder in folders.items():
            version = self._by_folder.get(folder)
            # One that was dropped earlier starts anew: it may be another model by now.
            if version is None or (not version.wanted and version.state in (UNLOADING, END)):
                self._by_folder[folder] = Version(self.served.name, number, folder, self._unload)
        for folder, version in self._by_folder.items():
            version.wanted = folder in folders.values()
        self.drop_unwanted()

    def drop_unwanted(self) -> None:
        """Retire what is not wanted, if that leaves something to serve or nothing is wanted."""
        available = self.available()
        if any(version.wanted for version in available) or not self.wanted():
            for version in available:
                if not version.wanted:
                    version.retire()

    def why_unavailable(self) -> str:
        """A sentence for a user who finds nothing served."""
        for version in self.failed():
            return f"Version {version.number} in {version.folder} could not be loaded: {version.error}"
        return self.trouble or "It is still being loaded."

    def _where(self, holds: Callable[[Version], bool]) -> list[Version]:
        return [version for version in self.all() if holds(version)]
