"""The compiled pipeline: what Kubeflow is given to run."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.stages import COMMANDS as STAGES
from components.kubeflow import IMAGE
from pipelines.pods import PODS, WEBHOOK_SECRET

COMMITTED = Path(__file__).parents[2] / "pipelines" / "kakeai.yaml"
# What looks at the world, or speaks to it, does so in every run.
UNCACHED = {"survey", "release", "notify"}


@pytest.fixture(scope="module")
def compiled(kakeai, tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "kakeai.yaml"
    ran = kakeai("pipeline", "compile", str(path))
    assert ran.returncode == 0, ran.stderr
    return path


@pytest.fixture(scope="module")
def pipeline(compiled):
    spec, platform = yaml.safe_load_all(compiled.read_text())
    return {**spec, "kubernetes": platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]}


@pytest.fixture(scope="module")
def tasks(pipeline):
    """Every stage's task, in whichever part of the pipeline."""
    dags = [pipeline["root"], *pipeline["components"].values()]
    found = {name: task for part in dags for name, task in part.get("dag", {}).get("tasks", {}).items()}
    return {
        name.removesuffix("-component"): task for name, task in found.items() if name.endswith("-component")
    }


def test_the_committed_pipeline_is_that_of_the_code(compiled):
    assert COMMITTED.read_text() == compiled.read_text(), "kakeai pipeline compile pipelines/kakeai.yaml"


def test_every_stage_runs_in_our_image_and_installs_nothing(pipeline):
    executors = pipeline["deploymentSpec"]["executors"]
    assert set(executors) == {f"exec-{stage}-component" for stage in (*STAGES, "notify")}
    for executor in executors.values():
        assert executor["container"]["image"] == IMAGE
        assert "pip install" not in " ".join(executor["container"]["command"])


def test_ingest_is_fanned_out_over_the_shards_of_the_survey_and_collected(pipeline):
    changed = next(
        part["dag"]["tasks"]
        for part in pipeline["components"].values()
        if "convert-component" in part.get("dag", {}).get("tasks", {})
    )
    ((name, loop),) = ((name, task) for name, task in changed.items() if "parameterIterator" in task)
    assert loop["parameterIterator"]["items"]["inputParameter"] == "pipelinechannel--shards"
    inside = pipeline["components"][loop["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inside) == {"ingest-component"}
    given = changed["convert-component"]["inputs"]["artifacts"]["note_sequences"]["taskOutputArtifact"]
    assert given["producerTask"] == name


def test_nothing_is_trained_when_nothing_changed(pipeline):
    (condition,) = (
        task["triggerPolicy"]["condition"]
        for part in pipeline["components"].values()
        for task in part.get("dag", {}).get("tasks", {}).values()
        if "condition" in task.get("triggerPolicy", {})
    )
    assert condition == "inputs.parameter_values['pipelinechannel--changed'] == true"


def test_metrics_and_report_are_artifacts_of_their_kind(pipeline):
    def outputs(stage):
        artifacts = pipeline["components"][f"comp-{stage}-component"]["outputDefinitions"]["artifacts"]
        return {name: artifact["artifactType"]["schemaTitle"] for name, artifact in artifacts.items()}

    assert outputs("train")["metrics"] == "system.Metrics"
    assert outputs("evaluate")["metrics"] == "system.Metrics"
    assert outputs("evaluate")["report"] == "system.HTML"
    assert outputs("convert")["dataset"] == "system.Dataset"


def test_results_are_reused_but_for_what_looks_at_the_world(tasks):
    cached = {stage for stage, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == set(tasks) - UNCACHED
    assert set(tasks) == {*STAGES, "notify"}


def test_no_artifact_of_an_uncached_stage_keeps_the_others_from_reuse(pipeline):
    # KFP takes an artifact for another one whenever the stage that wrote it ran again.
    for part in pipeline["components"].values():
        for task in part.get("dag", {}).get("tasks", {}).values():
            for artifact in task.get("inputs", {}).get("artifacts", {}).values():
                producer = artifact.get("taskOutputArtifact", {}).get("producerTask", "")
                assert producer.removesuffix("-component") not in UNCACHED


def test_every_pod_asks_for_what_it_was_measured_to_need(pipeline):
    for stage, pod in PODS.items():
        resources = pipeline["deploymentSpec"]["executors"][f"exec-{stage}-component"]["container"][
            "resources"
        ]
        assert resources["cpuRequest"] == resources["cpuLimit"] == float(pod.cpu)
        assert resources["memoryRequest"] == resources["memoryLimit"] > 0.2


def test_failures_are_tried_again_ever_later(tasks):
    for stage, task in tasks.items():
        if stage != "notify":  # it tries the webhook again by itself
            policy = task["retryPolicy"]
            assert policy["maxRetryCount"] == PODS[stage].retries >= 2
            assert (policy["backoffDuration"], policy["backoffFactor"]) == ("30s", 2.0)


def test_training_gets_gpus_on_nodes_that_keep_others_away(pipeline):
    accelerator = pipeline["deploymentSpec"]["executors"]["exec-train-component"]["container"]["resources"][
        "accelerator"
    ]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert "gpus" in accelerator["resourceCount"]
    on_kubernetes = pipeline["kubernetes"]["exec-train-component"]
    selected = on_kubernetes["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"]
    assert selected == "pipelinechannel--training_nodes"
    (toleration,) = on_kubernetes["tolerations"]
    parameter = toleration["tolerationJson"]["componentInputParameter"]
    assert parameter == "pipelinechannel--training_tolerations"


def test_the_end_is_told_whatever_happened_by_a_url_from_a_secret(pipeline, tasks):
    assert tasks["notify"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    (secret,) = pipeline["kubernetes"]["exec-notify-component"]["secretAsEnv"]
    assert (secret["secretName"], secret["optional"]) == (WEBHOOK_SECRET, True)
    assert secret["keyToEnv"] == [{"envVar": "KAKEAI_WEBHOOK_URL", "secretKey": "url"}]
    assert not any("webhook" in name for name in pipeline["root"]["inputDefinitions"]["parameters"])


def test_every_stage_knows_its_run_without_a_parameter_that_would_spoil_reuse(pipeline):
    for executor in pipeline["kubernetes"].values():
        assert executor["fieldPathAsEnv"] == [
            {"name": "KAKEAI_RUN", "fieldPath": "metadata.labels['pipeline/runid']"}
        ]


def test_the_dag_compiles_without_tensorflow():
    program = "import sys, pipelines.dag; sys.exit('tensorflow' in sys.modules or 'note_seq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
