"""Model cards, read from the model store: STORE/MODEL/VERSION/assets.extra/kakeai.json."""

import asyncio
import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

T = TypeVar("T")

log = logging.getLogger(__name__)


class Cards:
    """The cards of a model store: a local folder, a bucket, or none at all.

    A card is good to have and never worth failing for: what cannot be read is logged and counts as missing.
    A version never changes once it is released, so a card that was read once is kept.
    """

    def __init__(self, store: str | None, seconds: float) -> None:
        """The cards of ``store``, waiting at most ``seconds`` for each."""
        self._store = store
        self._seconds = seconds
        self._read: dict[tuple[str, int], dict[str, Any]] = {}

    async def card(self, model: str, version: int) -> dict[str, Any] | None:
        """The card of a version, or None."""
        if self._store is None:
            return None
        if (model, version) not in self._read:
            card = await self._in_time(partial(_read_card, self._store, model, version))
            if card is None:
                return None
            self._read[model, version] = card
        return self._read[model, version]

    async def models(self) -> list[str]:
        """The names of the models in the store."""
        if self._store is None:
            return []
        return await self._in_time(partial(_list_models, self._store)) or []

    async def _in_time(self, read: Callable[[], T]) -> T | None:
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.to_thread(read)
        except Exception as error:  # buckets fail in as many ways as their client has exceptions
            log.warning("the model store %s: %s: %s", self._store, type(error).__name__, error)
            return None


def _folder(store: str) -> Path:
    """A path to the store, local or not. The buckets' client is heavy, so only a bucket imports it."""
    if "://" not in store:
        return Path(store).expanduser()
    from kakeai.storage import location

    return cast(Path, location(store))


def _read_card(store: str, model: str, version: int) -> dict[str, Any] | None:
    path = _folder(store) / model / str(version) / "assets.extra" / "kakeai.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _list_models(store: str) -> list[str]:
    return sorted(folder.name for folder in _folder(store).iterdir() if folder.is_dir())
