"""The model store: `STORE/MODEL/VERSION/`, TF Serving's own layout, in a local folder or a bucket."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from cloudpathlib import CloudPath

CARD = "assets.extra/kakeai.json"
GRAPH = "saved_model.pb"  # TF Serving loads no version without it


def versions(store: "Path | CloudPath", model: str) -> list[int]:
    """Return the versions of a model, oldest first."""
    folder = store / model
    if not folder.is_dir():
        return []
    return sorted(int(version.name) for version in folder.iterdir() if version.name.isdecimal())


def read_card(store: "Path | CloudPath", model: str, version: int) -> dict[str, Any]:
    """Return the model card of a version, empty if it has none."""
    path = store / model / str(version) / CARD
    return json.loads(path.read_text()) if path.is_file() else {}


def publish(
    saved_model: Path, card: dict[str, Any], store: "Path | CloudPath", model: str, version: int
) -> None:
    """Put a SavedModel and its card into the store; the version appears whole or not at all.

    A folder is written aside and renamed. A bucket has no renaming: there the graph comes last, and without it a
    version is none to TF Serving.

    Raises:
        KakeaiError: The version is there already.
    """
    destination = store / model / str(version)
    if destination.exists():
        raise KakeaiError(f"{destination} exists already; a released version is never changed")
    content = json.dumps(card, indent=1).encode()
    if not isinstance(destination, Path):
        files = sorted(path.relative_to(saved_model) for path in saved_model.rglob("*") if path.is_file())
        (destination / CARD).write_bytes(content)
        for path in sorted(files, key=lambda path: path.name == GRAPH):
            (destination / path.as_posix()).write_bytes((saved_model / path).read_bytes())
        return
    aside = store / model / f".{version}.{os.getpid()}"
    try:
        shutil.copytree(saved_model, aside)
        (aside / CARD).parent.mkdir(exist_ok=True)
        (aside / CARD).write_bytes(content)
        os.rename(aside, destination)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise KakeaiError(f"cannot write version {version} of {model} into {store}: {error}") from None
