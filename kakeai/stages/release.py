"""Release: a SavedModel → a version in the model store, once it gave the golden answers through a model server."""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.judging.decision import KEEP, REFUSE, RELEASE, Check
from kakeai.outputs import check_outside
from kakeai.stages.bundle import DESCRIPTION, SAVED_MODEL
from kakeai.stages.evaluate import DECISION, METRICS
from kakeai.storage import location

TRIAL_STEPS = 32
TRIAL_SECONDS = 120.0  # for loading, warm-up and one answer on a small machine


@dataclass(frozen=True)
class ReleaseResult:
    """What the store holds now, and why.

    Attributes:
        version: The model's newest version; 0 if it has none.
        is_new: Whether it is this model.
        verdict: "release", "refuse" (the model is not good enough) or "keep" (the store has its equal already).
        sentence: Why.
    """

    version: int
    is_new: bool
    verdict: str
    sentence: str


def release(
    bundle: Path,
    evaluation: Path | None,
    store: str,
    model: str = "kakeai",
    manifest: Path | None = None,
    recipe: dict[str, Any] | None = None,
    overrule: str = "",
    because: str = "",
) -> ReleaseResult:
    """Release a bundle's SavedModel into the store, whole or not at all, if its evaluation says so.

    It must first answer a request through the model server, from a folder of its own. A model that is not released is
    a result, not an error.

    Args:
        bundle: Folder that the bundle stage wrote.
        evaluation: Folder that the evaluate stage wrote, whose decision counts; None to release without.
        store: The model store, a folder or gs://…
        model: The name to serve it under.
        manifest: The corpus's manifest, kept with the version; None for none.
        recipe: What the model was made by, for the card.
        overrule: Who releases it whatever the evaluation decided; empty for nobody.
        because: Their reason.

    Raises:
        KakeaiError: No bundle, an evaluation of another model, a model that does not answer, or a store that cannot
            be written.
    """
    if overrule and not because:
        raise KakeaiError(
            "say why the evaluation is overruled, with --because; the card keeps name and reason"
        )
    folder = location(store)
    check_outside(folder / model, "--store", [("the bundle", bundle), ("--evaluation", evaluation)])
    described = _read_json(bundle / DESCRIPTION)
    metrics = _read_json(evaluation / METRICS) if evaluation else {}
    decision = _decision(evaluation) if evaluation else {}
    if evaluation and metrics.get("step") != described["trained_steps"]:
        raise KakeaiError(
            f"{evaluation} is of step {metrics.get('step')} and {bundle} of step {described['trained_steps']}; "
            "evaluate the model that is to be released"
        )
    champion = model_store.champion(folder, model)
    if champion:
        card = model_store.read_card(folder, model, champion)
        if card.get("bundle_sha256") == described["bundle_sha256"]:
            return ReleaseResult(
                champion, False, KEEP, f"version {champion} of {model} has these very weights"
            )
    verdict, sentence = _verdict(decision, champion, model)
    for taken_out, promotion in model_store.withdrawn(folder, model):
        if taken_out.get("bundle_sha256") == described["bundle_sha256"]:
            verdict, sentence = REFUSE, _withdrawal(taken_out, promotion)
    if verdict != RELEASE and not overrule:
        return ReleaseResult(champion, False, verdict, sentence)
    answers = try_out(bundle, model)
    if decision:
        decision["checks"] = [*decision.get("checks", []), asdict(answers)]
    if not answers.passed:
        verdict, sentence = REFUSE, answers.sentence
        if not overrule:
            return ReleaseResult(champion, False, verdict, sentence)
    card = {
        **described,
        "recipe": recipe or {},
        "metrics": metrics,
        "decision": decision,
        "revision": revision(),
    }
    if verdict != RELEASE:
        card["overruled"] = {"by": overrule, "because": because, "verdict": verdict, "sentence": sentence}
    try:
        version = model_store.publish(_files(bundle, manifest, model), card, folder, model, champion)
    except model_store.OvertakenError as error:
        return ReleaseResult(model_store.champion(folder, model), False, REFUSE, str(error))
    if verdict != RELEASE:
        sentence = f"{overrule} overruled: {because} (the evaluation said: {sentence})"
    return ReleaseResult(version, True, RELEASE, sentence)


def _verdict(decision: dict[str, Any], champion: int, model: str) -> tuple[str, str]:
    # What is to be done, and why.
    if not decision:
        return RELEASE, "released without an evaluation"
    if decision["verdict"] == RELEASE and decision["champion"] != champion:
        return REFUSE, (
            f"version {champion} of {model} was released meanwhile and this model was compared with version "
            f"{decision['champion']}; evaluate it again"
        )
    return decision["verdict"], decision["sentence"]


def _withdrawal(taken_out: dict[str, Any], promotion: dict[str, Any]) -> str:
    who, why = promotion.get("promoted_by") or "somebody", promotion.get("promoted_because")
    return (
        f"these are the weights of version {taken_out['version']}, which {who} took out of service"
        f"{f': {why}' if why else ''}; overrule that to release them again"
    )


def _decision(evaluation: Path) -> dict[str, Any]:
    decision = _read_json(evaluation / DECISION)
    if not decision.keys() >= {"verdict", "sentence", "champion"} or decision["verdict"] not in (
        RELEASE,
        REFUSE,
        KEEP,
    ):
        raise KakeaiError(f"{evaluation / DECISION} is no decision; evaluate the model again")
    return decision


def _files(bundle: Path, manifest: Path | None, model: str) -> dict[str, Path]:
    # What a version holds, by the paths in it.
    saved_model = bundle / SAVED_MODEL
    files = {
        path.relative_to(saved_model).as_posix(): path for path in saved_model.rglob("*") if path.is_file()
    }
    for path in (*bundle.glob("*.mag"), *bundle.glob("*.hparams")):
        files[f"assets.extra/{model}{path.suffix}"] = path
    if manifest:
        files[model_store.MANIFEST] = manifest
    return files


def try_out(bundle: Path, model: str) -> Check:
    """Load a bundle's SavedModel into a model server of its own, and ask it for a melody and the golden answers.

    Returns:
        Whether these are those of the bundle's weights.

    Raises:
        KakeaiError: It does not load, does not answer, or answers what is no melody.
    """
    import numpy as np

    from kakeai.judging.golden_answers import golden_answers
    from serving.model_server.client import predict
    from serving.model_server.config import ServedModel
    from serving.model_server.server import ModelServer

    inputs = {
        "melody": np.array([[60, -2, 62, -2, 64, -2, 65, -2]], np.int32),
        "length": np.array([8], np.int32),
        "steps": np.array([TRIAL_STEPS], np.int32),
        "temperature": np.array([1.0], np.float32),
        "seed": np.array([1], np.int64),
    }
    saved_model = bundle / SAVED_MODEL
    weights = next(bundle.glob("*.mag"), bundle / f"{model}.mag")
    with tempfile.TemporaryDirectory() as trial_store:
        shutil.copytree(saved_model, Path(trial_store, "1"))
        with ModelServer([ServedModel(model, trial_store)]) as server:
            server.wait_until_available(model, TRIAL_SECONDS)
            address = f"127.0.0.1:{server.port}"
            answer = predict(address, model, inputs, timeout_seconds=TRIAL_SECONDS)
            golden = golden_answers(weights, address, model, TRIAL_SECONDS)
    melody, log_likelihood = answer["melody"], answer["log_likelihood"]
    if melody.shape != (1, TRIAL_STEPS) or not ((melody >= -2) & (melody <= 127)).all():
        raise KakeaiError(f"{saved_model} was not released: its answer is no melody of {TRIAL_STEPS} steps")
    if not np.isfinite(log_likelihood).all():
        raise KakeaiError(
            f"{saved_model} was not released: its answer has the likelihood {log_likelihood[0]}"
        )
    return golden


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
