"""Where things lie in a model store."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudpathlib import GSPath

GRAPH = "saved_model.pb"  # no loader takes a folder for a SavedModel without it
CARD = "assets.extra/kakeai.json"
MANIFEST = "assets.extra/corpus_manifest.jsonl.gz"
PRUNED = "pruned"


def is_version(name: str) -> bool:
    """Return whether a child of a model's folder can be a version, by its name."""
    return name.isascii() and name.isdigit()


def bundle_path(store: "Path | GSPath", model: str, version: int) -> "Path | GSPath":
    """Return the version's `.mag`, with its `.hparams` beside it; versions of Kakeai 0.1.0 have none."""
    return store / model / str(version) / "assets.extra" / f"{model}.mag"
