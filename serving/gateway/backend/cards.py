"""Model cards, read from the model store: STORE/MODEL/VERSION/assets.extra/kakeai.json."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from kakeai.errors import KakeaiError
from kakeai.storage import folders_in, location, read_bytes

T = TypeVar("T")
_Key = tuple[str, int] | str

AGAIN_SECONDS = 30.0  # before what could not be read is read again
_THREADS = 4  # that wait for the store, at most; a store that hangs holds up nothing else

log = logging.getLogger(__name__)


class Cards:
    """The cards of a model store: a local folder, a bucket, or none at all.

    A card is good to have and never worth failing for: what cannot be read is logged and counts as missing for
    ``AGAIN_SECONDS``. A version never changes once it is released, so a card that was read once is kept. All methods
    but ``__init__`` need a running event loop.
    """

    def __init__(self, store: str | None, seconds: float) -> None:
        """The cards of ``store``, waiting at most ``seconds`` for each."""
        self._store = store
        self._seconds = seconds
        self._found: dict[_Key, Any] = {}
        self._reading: dict[_Key, asyncio.Task[Any]] = {}
        self._again: dict[_Key, float] = {}  # when to look once more for what could not be read
        self._threads = ThreadPoolExecutor(_THREADS, "model-store")

    def close(self) -> None:
        """Read no more. A thread that waits for a bucket ends with the storage client's own time limit."""
        for reading in self._reading.values():
            reading.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def known(self, model: str, version: int) -> dict[str, Any] | None:
        """The card of a version, if it has been read. If not, this begins to read it, and does not wait."""
        self._read_card(model, version)
        return self._found.get((model, version))

    async def card(self, model: str, version: int) -> dict[str, Any] | None:
        """The card of a version, or None."""
        if reading := self._read_card(model, version):
            await asyncio.shield(reading)
        return self._found.get((model, version))

    async def models(self) -> list[str]:
        """The names of the models in the store."""
        reading = self._read("models", _list_models)
        return (await asyncio.shield(reading) if reading else None) or []

    def _read_card(self, model: str, version: int) -> asyncio.Task[dict[str, Any] | None] | None:
        key = (model, version)
        return None if key in self._found else self._read(key, partial(_read_card, model, version))

    def _read(self, key: _Key, read: Callable[[str, float], T | None]) -> asyncio.Task[T | None] | None:
        """Read once for all who ask meanwhile. None where there is no store, or it failed a short time ago."""
        if self._store is None or time.monotonic() < self._again.get(key, 0.0):
            return None
        if key not in self._reading:
            self._reading[key] = asyncio.create_task(
                self._in_time(key, partial(read, self._store, self._seconds))
            )
            self._reading[key].add_done_callback(lambda _: self._reading.pop(key))
        return self._reading[key]

    async def _in_time(self, key: _Key, read: Callable[[], T | None]) -> T | None:
        found = None
        try:
            async with asyncio.timeout(self._seconds):
                found = await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except Exception as error:  # buckets fail in as many ways as their client has exceptions
            log.warning("the model store %s: %s: %s", self._store, type(error).__name__, error)
        if found is None:
            self._again[key] = time.monotonic() + AGAIN_SECONDS
        else:
            self._found[key] = found
        return found


def _read_card(model: str, version: int, store: str, seconds: float) -> dict[str, Any] | None:
    path = location(store) / model / str(version) / "assets.extra" / "kakeai.json"
    try:
        card = json.loads(read_bytes(path, seconds))
    except FileNotFoundError:
        return None
    if not isinstance(card, dict):
        raise KakeaiError(f"{path} is no model card: it holds no JSON object")
    return card


def _list_models(store: str, seconds: float) -> list[str]:
    return folders_in(location(store), seconds)
