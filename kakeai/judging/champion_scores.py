"""What the model in service says of tunes: it is fetched from the store, and scores them itself."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kakeai.corpus.files import as_text
from kakeai.errors import KakeaiError
from kakeai.manifest import read_manifest
from kakeai.storage import bucket_errors, location
from kakeai.store import MANIFEST, versions


@contextmanager
def fetched(store: str, model: str, version: int) -> Iterator[Path]:
    """Hold a version's folder on this machine for the time of the `with` block.

    Raises:
        KakeaiError: The store has no such version, or it cannot be read.
    """
    folder = location(store)
    there = versions(folder, model)
    if version not in there:
        others = f"; it has {', '.join(map(str, there))}" if there else ""
        raise KakeaiError(
            f"{store} has no version {version} of {model} to compare with{others}. "
            "Begin the run anew, so that it finds the newest one"
        )
    if isinstance(path := folder / model / str(version), Path):
        yield path
        return
    with tempfile.TemporaryDirectory() as aside:
        copy = Path(aside, str(version))
        with bucket_errors(path):
            path.copytree(copy)
        yield copy


def log_likelihoods(version: Path, melodies: Sequence[np.ndarray]) -> np.ndarray:
    """Return float64 [melodies]: of each melody after its first event, in nats, by the version's own `score` signature.

    Args:
        version: Folder of a SavedModel.
        melodies: int8 [steps] each, at real pitches; quickest where neighbours are alike in length.

    Raises:
        KakeaiError: It does not load, or does not score.
    """
    from kakeai.model.measuring.scoring import score_melodies

    try:
        scores = score_melodies(version, melodies)
    except Exception as error:  # TensorFlow's loader raises whatever a damaged file makes it stumble over
        told = (str(error).splitlines() or [""])[0]
        raise _damaged(version, f"{type(error).__name__}: {told}") from error
    if not np.isfinite(scores).all():
        raise _damaged(version, "it gives tunes likelihoods that are no numbers")
    return scores


def known_files(version: Path) -> frozenset[str]:
    """Return the files of the corpus that a version was trained on, named as a dataset names them.

    None where it keeps no manifest.

    Raises:
        KakeaiError: The manifest is damaged.
    """
    manifest = version / MANIFEST
    return (
        frozenset(as_text(row.file) for row in read_manifest(manifest)) if manifest.is_file() else frozenset()
    )


def _damaged(version: Path, why: str) -> KakeaiError:
    return KakeaiError(
        f"version {version.name} in the model store, to compare with, does not work ({why}); put an earlier one in "
        "service with `kakeai models rollback`, then begin the run anew"
    )
