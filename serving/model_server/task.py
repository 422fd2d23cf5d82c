"""One request's run, from when it is asked for until it ends, and who waits for it."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.model_server.refusal import Refusal

Array = np.ndarray[Any, Any]


class Caller(NamedTuple):
    """Who waits for an answer.

    Attributes:
        deadline: Until when, on the clock of time.monotonic.
        on_leaving: Registers what is called once they do not wait any more; at once if they have left.
    """

    deadline: float = math.inf
    on_leaving: Callable[[Callable[[], None]], None] = lambda _: None


ANYONE = Caller()  # who waits as long as it takes


class Task:
    """What a run is fed, and in the end what came out of it, or why nothing did. The first end counts."""

    def __init__(
        self,
        feeds: Sequence[Array],
        rows: int = 1,
        deadline: float = math.inf,
        positions: Sequence[int] | None = None,
    ) -> None:
        """`rows` is its share of a batch; `positions` are those of the outputs that it asks for, None for all."""
        self.feeds = feeds
        self.rows = rows
        self.deadline = deadline
        self.began = time.monotonic()
        self._positions = positions
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._outputs: Sequence[Array] = ()
        self._error: Refusal | None = None

    def end(self, outputs: Sequence[Array] = (), error: Refusal | None = None) -> None:
        """Tell the outputs, or the error, to whoever waits."""
        with self._lock:
            if not self._ended.is_set():
                self._outputs, self._error = outputs, error
                self._ended.set()

    def chosen(self, outputs: Sequence[Array]) -> Sequence[Array]:
        """Those of a run's outputs that it asks for."""
        return outputs if self._positions is None else [outputs[position] for position in self._positions]

    @property
    def has_ended(self) -> bool:
        """Whether outputs or an error are there."""
        return self._ended.is_set()

    def wait(self) -> None:
        """Return once it has ended or its deadline has passed."""
        left = self.deadline - time.monotonic()
        self._ended.wait(None if left > threading.TIMEOUT_MAX else max(left, 0))

    def result(self) -> Sequence[Array]:
        """Its outputs. Raises its error."""
        if self._error is not None:
            raise self._error.copy()
        return self._outputs
