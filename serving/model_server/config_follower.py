"""The thread that keeps the served models in step with a configuration file that changes."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from kakeai.errors import KakeaiError
from serving.model_server.config import ServedModel, read_config_file
from serving.model_server.refusal import Refusal

log = logging.getLogger(__name__)


class ConfigFollower:
    """Reads a `--model_config_file` time and again; a file that cannot be followed changes nothing.

    No error ends it: each is logged, and the next reading tries again.
    """

    def __init__(
        self, path: Path, poll_seconds: float, reload: Callable[[Sequence[ServedModel]], None]
    ) -> None:
        """Give `reload` the models at the first reading, and whenever the file names others than before."""
        self._path = path
        self._poll_seconds = poll_seconds
        self._reload = reload
        self._models: list[ServedModel] = []
        self._trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-follower", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End; a reload that is under way goes on until the server's parts stop."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            try:
                models = read_config_file(self._path)
                if models != self._models:
                    self._reload(models)
                    self._models = models
                self._trouble = ""
            except Exception as error:  # the thread goes on, or later changes of the file are never seen
                if str(error) != self._trouble:  # logged once, not at every reading
                    expected = isinstance(error, KakeaiError | Refusal)
                    log.error("%s", error if expected else repr(error), exc_info=not expected)
                self._trouble = str(error)
