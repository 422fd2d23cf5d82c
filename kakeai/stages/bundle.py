"""Bundle: a checkpoint → Magenta's `.mag` and a SavedModel that TF Serving loads."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.extras import is_installed
from kakeai.outputs import StageFiles, check_output, replaced_folder

if TYPE_CHECKING:
    from cloudpathlib import GSPath

DESCRIPTION = "bundle.json"  # what the model is: the part of its card that is known before its release
SAVED_MODEL = "saved_model"
WEIGHTS_ALONE = (
    "Magenta is not installed: only Kakeai opens this .mag, which holds the weights without Magenta's graph"
)
FILES = StageFiles("bundle", DESCRIPTION, ("*.mag", "*.hparams", SAVED_MODEL))


@dataclass(frozen=True)
class BundleResult:
    """What was packed.

    Attributes:
        bundle: The `.mag` file.
        saved_model: The SavedModel's folder.
        step: Steps the model was trained for.
        warning: What the bundle lacks; empty for nothing.
    """

    bundle: Path
    saved_model: Path
    step: int
    warning: str = ""


def bundle(
    run_dir: "Path | GSPath", output: Path, name: str = "kakeai", step: int | None = None
) -> BundleResult:
    """Pack a checkpoint; training may still be going on.

    Without Magenta, the `.mag` holds the weights alone, and only Kakeai opens it.

    Args:
        run_dir: Folder of the training run.
        output: Folder for NAME.mag, NAME.hparams, saved_model/ and bundle.json: a new or empty one, or one that bundle
            wrote, which is replaced.
        name: The model's name, here and where it will be served.
        step: Which checkpoint; by default the one with the lowest held-out loss.

    Raises:
        KakeaiError: There is no such checkpoint, or the output may not be replaced.
    """
    check_output(output, FILES, [("--run-dir", run_dir)])
    warning = "" if is_installed("magenta") else WEIGHTS_ALONE
    from kakeai.model.magenta.bundle import write_bundle
    from kakeai.model.saved_model import export
    from kakeai.model.training import run as training_run

    run = training_run.read(run_dir)
    model, step = training_run.load_model(run_dir, step)
    with replaced_folder(output, FILES) as folder:
        mag = folder / f"{name}.mag"
        description = f"{name}: {run.config}, {run.corpus['num_training_melodies']} melodies, step {step}"
        write_bundle(model, mag, description)
        export(model, folder / SAVED_MODEL, name)
        described = {
            "name": name,
            "config": run.config,
            "hparams": run.hparams,
            "corpus": run.corpus,
            "trained_steps": step,
            "bundle_sha256": hashlib.sha256(mag.read_bytes()).hexdigest(),
        }
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1))
    return BundleResult(output / mag.name, output / SAVED_MODEL, step, warning)
