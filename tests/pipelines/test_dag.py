"""The compiled pipeline: what Kubeflow is given to run."""

import subprocess
import sys

import pytest
import yaml

STAGES = ("ingest", "convert", "train", "evaluate", "bundle", "release")


@pytest.fixture(scope="module")
def compiled(kakeai, tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "kakeai.yaml"
    ran = kakeai("pipeline", "compile", str(path))
    assert ran.returncode == 0, ran.stderr
    spec, *_ = yaml.safe_load_all(path.read_text())
    return spec


def test_every_stage_runs_in_our_image_and_installs_nothing(compiled):
    executors = compiled["deploymentSpec"]["executors"]
    assert set(executors) == {f"exec-{stage}-component" for stage in STAGES}
    for executor in executors.values():
        assert executor["container"]["image"] == "kakeai/pipeline:0.1.0"
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_ingest_is_fanned_out_over_the_shards_and_collected(compiled):
    tasks = compiled["root"]["dag"]["tasks"]
    ((name, loop),) = ((name, task) for name, task in tasks.items() if "parameterIterator" in task)
    assert loop["parameterIterator"]["items"]["inputParameter"] == "pipelinechannel--shards"
    inside = compiled["components"][loop["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inside) == {"ingest-component"}
    given = tasks["convert-component"]["inputs"]["artifacts"]["note_sequences"]["taskOutputArtifact"]
    assert given["producerTask"] == name


def test_metrics_and_report_are_artifacts_of_their_kind(compiled):
    def outputs(stage):
        artifacts = compiled["components"][f"comp-{stage}-component"]["outputDefinitions"]["artifacts"]
        return {name: artifact["artifactType"]["schemaTitle"] for name, artifact in artifacts.items()}

    assert outputs("train")["metrics"] == "system.Metrics"
    assert outputs("evaluate")["metrics"] == "system.Metrics"
    assert outputs("evaluate")["report"] == "system.HTML"
    assert outputs("convert")["dataset"] == "system.Dataset"


def test_the_store_is_looked_at_in_every_run(compiled):
    caching = {
        name: task.get("cachingOptions", {}) for name, task in compiled["root"]["dag"]["tasks"].items()
    }
    assert not caching["release-component"].get("enableCache")
    assert caching["train-component"]["enableCache"]


def test_the_dag_compiles_without_tensorflow():
    program = "import sys, pipelines.dag; sys.exit('tensorflow' in sys.modules or 'note_seq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
