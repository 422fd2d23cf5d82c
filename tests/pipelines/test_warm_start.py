"""`kakeai pipeline run --warm-start`: the model before is where the next one begins."""

import hashlib
import json

from kakeai.model.training import run


def test_the_pipeline_begins_with_the_model_it_is_given(trained, kakeai, tmp_path):
    bundle = trained.work / "kakeai.mag"
    places = ["--corpus", trained.corpus, "--store", tmp_path / "store", "--work", trained.work]
    # Under a name of its own, beside the model that other tests look at.
    options = [*trained.settings, "--model", "warm", "--warm-start", bundle]
    ran = kakeai("pipeline", "run", *map(str, places + options))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    runs = {
        json.loads(path.read_text())["warm_start"]: path.parent
        for path in (trained.work / "checkpoints").glob("*/run.json")
    }
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert set(runs) == {"", digest}
    cold, warm = (run.curves(runs[origin])[0]["eval"]["loss"] for origin in ("", digest))
    assert warm < cold
    assert (trained.work / "warm.mag").is_file()
