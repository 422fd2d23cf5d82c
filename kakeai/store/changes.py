"""How the store changes: versions are published, promoted and pruned."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.errors import KakeaiError
from kakeai.store.cards import FORMAT, champion, lineage, read_card, versions
from kakeai.store.layout import CARD, GRAPH
from kakeai.store.places import in_a_sentence, shelf
from kakeai.store.shelf import Sources

if TYPE_CHECKING:
    from cloudpathlib import GSPath


def publish(files: Sources, card: dict[str, Any], store: "Path | GSPath", model: str, parent: int) -> int:
    """Put a SavedModel and its card into the store as the next version, which appears whole or not at all.

    Args:
        files: What the version holds, by the paths in it; the card is added.
        card: What is known of the model; name, numbers, lineage and time are added.
        store: The model store.
        model: Name to release under.
        parent: The version that was the newest when this one was found good; 0 for none.

    Returns:
        Its number.

    Raises:
        OvertakenError: Another version came after `parent`.
        KakeaiError: The store cannot be written, a newer Kakeai wrote it, or the files were removed meanwhile.
    """
    return _add(files, {**card, "name": model}, store, model, parent, descends_from=parent)


def promote(store: "Path | GSPath", model: str, version: int, by: str = "", because: str = "") -> int:
    """Release the weights of an older version anew, under the next number, which is returned.

    Args:
        store: The model store.
        model: The model.
        version: Whose weights.
        by: Who decided that, for the card.
        because: Why, for the card.

    Raises:
        KakeaiError: There is no such version, it plays already, or the store cannot be written.
    """
    there = versions(store, model)
    if version not in there:
        numbers = ", ".join(map(str, there)) or "none"
        raise KakeaiError(f"{store} has no version {version} of {model} to promote; it has {numbers}")
    if version == there[-1]:
        raise KakeaiError(f"version {version} of {model} is the newest and plays already")
    card = read_card(store, model, version)
    with in_a_sentence(store, "read"):
        files = {name: path for name, path in shelf(store, model).files(version).items() if name != CARD}
    if GRAPH not in files:
        raise KakeaiError(f"version {version} of {model} was pruned meanwhile; nothing was promoted")
    promoted = {"promoted_from": version, "promoted_by": by, "promoted_because": because}
    return _add(files, {**card, **promoted}, store, model, there[-1], descends_from=version)


def rollback(store: "Path | GSPath", model: str, by: str = "", because: str = "") -> int:
    """Promote the version that the newest one descends from, and return the new number.

    Raises:
        KakeaiError: There is none with other weights, or the store cannot be written.
    """
    newest = champion(store, model)
    there = versions(store, model)
    cards = list(lineage(store, model, newest))
    for card in cards[1:]:
        if card["version"] in there and card.get("bundle_sha256") != cards[0].get("bundle_sha256"):
            return promote(store, model, card["version"], by, because)
    raise KakeaiError(f"{store} has no version of {model} with other weights that the newest descends from")


def prune(
    store: "Path | GSPath", model: str, keep: int, pinned: Collection[int] = (), dry_run: bool = False
) -> list[int]:
    """Take old versions away, and what dead releases left. Cards are kept, so that the lineage stays whole.

    A release that is under way is left alone. One that was killed is known for dead at once on a disk, and
    `kakeai.store.leases.DEAD_AFTER_SECONDS` later in a bucket.

    Args:
        store: The model store.
        model: The model.
        keep: So many of the newest stay; the one that plays is the first of them.
        pinned: Others that stay.
        dry_run: Only tell what would go.

    Returns:
        The versions that went.

    Raises:
        KakeaiError: A pinned version is not there, or the store cannot be written or is a newer Kakeai's.
    """
    if keep < 1:
        raise KakeaiError(f"--keep must be 1 or more, not {keep}: the newest version plays")
    there = versions(store, model)
    if missing := sorted(set(pinned) - set(there)):
        raise KakeaiError(f"{store} has no version {missing[0]} of {model} to keep; nothing was pruned")
    doomed = [version for version in there[:-keep] if version not in pinned]
    cards = {version: read_card(store, model, version) for version in {*doomed, *there[-1:]}}
    if dry_run:
        return doomed
    with in_a_sentence(store, "prune"):
        for version in doomed:
            shelf(store, model).remove(version, json.dumps(cards[version], indent=1).encode())
        shelf(store, model).tidy()
    return doomed


def _add(
    files: Sources,
    card: dict[str, Any],
    store: "Path | GSPath",
    model: str,
    parent: int,
    descends_from: int,
) -> int:
    if parent:
        read_card(store, model, parent)  # refuses a store of a newer Kakeai
    described = {
        **card,
        "store_format": FORMAT,
        "parent": parent or None,
        "lineage": [descends_from, *_ancestors(store, model, descends_from)] if descends_from else [],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with in_a_sentence(store, "write into"):
        return shelf(store, model).add(files, described)


def _ancestors(store: "Path | GSPath", model: str, version: int) -> list[int]:
    card = read_card(store, model, version)
    if "lineage" in card or not card:
        return card.get("lineage", [])
    # Cards of Kakeai 0.1.0 name their parent only.
    return [elder["version"] for elder in lineage(store, model, card.get("parent") or 0)]
