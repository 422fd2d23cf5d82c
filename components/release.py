"""Release: a SavedModel → a version in the model store, once it has answered through a model server."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kfp.dsl import Artifact, Input, Output

from components.bundle import DESCRIPTION, SAVED_MODEL
from components.kubeflow import component
from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.storage import location

TRIAL_STEPS = 32
TRIAL_SECONDS = 120.0  # for loading, warm-up and one answer on a small machine


@dataclass(frozen=True)
class ReleaseResult:
    """What the store holds now.

    Attributes:
        version: The model's version.
        is_new: False if the store's newest version was these weights already.
    """

    version: int
    is_new: bool


def release(bundle: Path, evaluation: Path | None, store: str, model: str = "kakeai") -> ReleaseResult:
    """Release a bundle's SavedModel into the store, whole or not at all.

    It must first answer a request through the model server, from a folder of its own.

    Args:
        bundle: Folder that the bundle stage wrote.
        evaluation: Folder that the evaluate stage wrote, whose figures go onto the model card; None for none.
        store: The model store, a folder or gs://…
        model: The name to serve it under.

    Raises:
        KakeaiError: No bundle, a model that does not answer, or a store that cannot be written.
    """
    described = _read_json(bundle / DESCRIPTION)
    metrics = _read_json(evaluation / "metrics.json") if evaluation else {}
    folder = location(store)
    versions = model_store.versions(folder, model)
    newest = versions[-1] if versions else None
    if newest:
        card = model_store.read_card(folder, model, newest)
        if card.get("bundle_sha256") == described["bundle_sha256"]:
            return ReleaseResult(newest, is_new=False)
    try_out(bundle / SAVED_MODEL, model)
    version = (newest or 0) + 1
    card = {
        **described,
        "name": model,
        "version": version,
        "metrics": metrics,
        "parent": newest,
        "revision": revision(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    model_store.publish(bundle / SAVED_MODEL, card, folder, model, version)
    return ReleaseResult(version, is_new=True)


def try_out(saved_model: Path, model: str) -> None:
    """Load a SavedModel into a model server of its own and ask it for a melody.

    Raises:
        KakeaiError: It does not load, does not answer, or answers what is no melody.
    """
    import numpy as np

    from serving.model_server.config import ServedModel
    from serving.model_server.server import ModelServer
    from serving.model_server.trial import predict

    inputs = {
        "melody": np.array([[60, -2, 62, -2, 64, -2, 65, -2]], np.int32),
        "length": np.array([8], np.int32),
        "steps": np.array([TRIAL_STEPS], np.int32),
        "temperature": np.array([1.0], np.float32),
        "seed": np.array([1], np.int64),
    }
    with tempfile.TemporaryDirectory() as trial_store:
        shutil.copytree(saved_model, Path(trial_store, "1"))
        with ModelServer([ServedModel(model, trial_store)]) as server:
            server.wait_until_available(model, TRIAL_SECONDS)
            answer = predict(f"127.0.0.1:{server.port}", model, inputs, timeout_seconds=TRIAL_SECONDS)
    melody, log_likelihood = answer["melody"], answer["log_likelihood"]
    if melody.shape != (1, TRIAL_STEPS) or not ((melody >= -2) & (melody <= 127)).all():
        raise KakeaiError(f"{saved_model} was not released: its answer is no melody of {TRIAL_STEPS} steps")
    if not np.isfinite(log_likelihood).all():
        raise KakeaiError(
            f"{saved_model} was not released: its answer has the likelihood {log_likelihood[0]}"
        )


def revision() -> str:
    """Return the code's git revision: the image's where it runs in one, `unknown` outside a checkout."""
    if "KAKEAI_REVISION" in os.environ:
        return os.environ["KAKEAI_REVISION"]
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        raise KakeaiError(
            f"{path} is missing or cannot be read; run the stage before this one again"
        ) from None


@component
def release_component(  # noqa: ANN201  KFP reads the signature
    bundled: Input[Artifact], evaluation: Input[Artifact], store: str, model: str, released: Output[Artifact]
):
    """Release the SavedModel into the store, under the next version number."""
    import json
    from pathlib import Path

    from components.release import release
    from components.stage import stage

    with stage("release") as running:
        result = release(Path(bundled.path), Path(evaluation.path), store, model)
        running.figures.update(model=model, version=result.version, new=result.is_new)
        Path(released.path).write_text(json.dumps({"version": result.version, "new": result.is_new}))
