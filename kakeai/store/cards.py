"""What the store holds, and what the cards tell of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.errors import KakeaiError
from kakeai.store.layout import CARD, PRUNED
from kakeai.store.places import in_a_sentence, shelf

if TYPE_CHECKING:
    from cloudpathlib import GSPath

FORMAT = 1  # of a store; cards of Kakeai 0.1.0 carry none and are read as 1


def versions(store: "Path | GSPath", model: str) -> list[int]:
    """Return the versions of a model that are whole, oldest first.

    Raises:
        KakeaiError: The store cannot be read.
    """
    with in_a_sentence(store, "read"):
        return shelf(store, model).versions()


def champion(store: "Path | GSPath", model: str) -> int:
    """Return the version that plays, which is the newest; 0 for none.

    Raises:
        KakeaiError: The store cannot be read.
    """
    return max(versions(store, model), default=0)


def read_card(store: "Path | GSPath", model: str, version: int) -> dict[str, Any]:
    """Return the model card of a version, which may have been pruned; empty if it has none.

    Raises:
        KakeaiError: It cannot be read, or a newer Kakeai wrote it.
    """
    with in_a_sentence(store, "read"):
        for name in (f"{version}/{CARD}", f"{PRUNED}/{version}.json"):
            if (content := shelf(store, model).read(name)) is not None:
                return _parsed(content, store / model / name)
    return {}


def lineage(store: "Path | GSPath", model: str, version: int) -> Iterator[dict[str, Any]]:
    """Yield the cards from a version back to the first model: each one's parent, or what it was promoted from.

    Raises:
        KakeaiError: A card cannot be read, or a newer Kakeai wrote it.
    """
    seen: set[int] = set()
    while version and version not in seen:
        card = read_card(store, model, version)
        if not card:
            return
        yield card
        seen.add(version)
        version = card.get("promoted_from") or card.get("parent") or 0


def withdrawn(store: "Path | GSPath", model: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the cards of versions that were taken out of service for older ones, each with that of the promotion.

    Those count that were withdrawn since the last release of new weights.

    Raises:
        KakeaiError: A card cannot be read, or a newer Kakeai wrote it.
    """
    card = read_card(store, model, champion(store, model))
    while card.get("promoted_from"):
        elder = read_card(store, model, card["parent"])
        yield elder, card
        card = elder


def _parsed(content: bytes, path: "Path | GSPath") -> dict[str, Any]:
    try:
        card = json.loads(content)
        written_as = card.get("store_format", FORMAT)
    except (ValueError, AttributeError):
        raise KakeaiError(f"the model card {path} cannot be read: it is no JSON object") from None
    if written_as != FORMAT:
        raise KakeaiError(
            f"{path} was written by a newer Kakeai (store format {written_as}, this one knows {FORMAT}); "
            "upgrade Kakeai to work with this store"
        )
    return card
