"""Parameters reach their tasks and pods on Kubeflow: KFP's driver drops or refuses what has another type."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from kubeflow_driver import PLACEHOLDER, Pod, Refused, pods

from pipelines.dag import compiled

PLACES = {"corpus": "gs://b/corpus", "store": "gs://b/store", "work": "gs://b/work"}
# The field that is filled from a parameter, the type that its parameter must have, and where KFP 2.17.0 resolves it,
# in backend/src/v2/driver. Another type is dropped without an error but in the tolerations, where it is refused.
STRING_OF_TASK = ("STRING", "resolve.go: resolvePodSpecInputRuntimeParameter, Value.GetStringValue")
NAME = ("STRING", "resolve.go: resolveInputParameterStr")
JSON_OBJECT = ("STRUCT", "resolve.go: resolveK8sJsonParameter, Value.GetStructValue")
REQUIRED = {
    "container.image": STRING_OF_TASK,
    "container.resources.accelerator.resourceType": STRING_OF_TASK,
    "container.resources.accelerator.resourceCount": STRING_OF_TASK,
    "container.resources.resourceCpuRequest": STRING_OF_TASK,
    "container.resources.resourceCpuLimit": STRING_OF_TASK,
    "container.resources.resourceMemoryRequest": STRING_OF_TASK,
    "container.resources.resourceMemoryLimit": STRING_OF_TASK,
    "kubernetes.nodeSelector.nodeSelectorJson": JSON_OBJECT,
    "kubernetes.nodeAffinity.nodeAffinityJson": JSON_OBJECT,
    "kubernetes.tolerations.tolerationJson": ("LIST", "k8s.go: extendPodSpecPatch, GetListValue"),
    "kubernetes.secretAsEnv.secretNameParameter": NAME,
    "kubernetes.secretAsVolume.secretNameParameter": NAME,
    "kubernetes.configMapAsEnv.configMapNameParameter": NAME,
    "kubernetes.configMapAsVolume.configMapNameParameter": NAME,
    "kubernetes.imagePullSecret.secretNameParameter": NAME,
    "kubernetes.pvcMount.pvcNameParameter": NAME,
}


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    return compiled()


def _tasks(package: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Every task: its name, itself, its component, and the component that it is a task of."""
    spec = package["pipeline_spec"]
    for part in (spec["root"], *spec["components"].values()):
        for name, task in part.get("dag", {}).get("tasks", {}).items():
            yield name, task, spec["components"][task["componentRef"]["name"]], part


def _type(component: dict[str, Any], parameter: str, side: str = "input") -> str:
    return component[f"{side}Definitions"]["parameters"][parameter]["parameterType"]


def _filled(field: str, content: Any) -> Iterator[tuple[str, str, str]]:
    """The fields of a container or pod that are filled from a parameter: name, parameter, and whose it is."""
    if isinstance(content, dict) and "componentInputParameter" in content:
        yield field, content["componentInputParameter"], "parent"
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _filled(f"{field}.{key}", value)
    elif isinstance(content, list):
        for value in content:
            yield from _filled(field, value)
    elif isinstance(content, str) and (placeholder := PLACEHOLDER.search(content)):
        yield field, placeholder[1], "task"


def _filled_fields(package: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every such field of the pipeline: stage and field, field, and the type of its parameter."""
    executors = package["pipeline_spec"]["deploymentSpec"]["executors"]
    kubernetes = package["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, task, component, part in _tasks(package):
        if "executorLabel" not in component:
            continue
        label = component["executorLabel"]
        described = {"container": executors[label]["container"], "kubernetes": kubernetes.get(label, {})}
        for top, content in described.items():
            for field, parameter, owner in _filled(top, content):
                if owner == "task":  # by way of the task's inputs
                    parameter = task["inputs"]["parameters"][parameter]["componentInputParameter"]
                yield f"{name}: {field}", field, _type(part, parameter)


def test_what_a_pod_is_given_from_a_parameter_has_the_type_that_kfp_resolves(package):
    found = list(_filled_fields(package))
    assert {field for _, field, _ in found} == {
        "container.resources.accelerator.resourceCount",
        "kubernetes.nodeSelector.nodeSelectorJson",
        "kubernetes.tolerations.tolerationJson",
    }
    for where, field, kind in found:
        required, source = REQUIRED[field]
        assert kind == required, f"{where} has a parameter of type {kind}; see {source}"


def test_every_parameter_arrives_as_the_type_that_its_task_declares(package):
    # The driver makes a string of anything where a string is declared, and refuses every other difference.
    spec = package["pipeline_spec"]
    for name, task, component, part in _tasks(package):
        declared = component.get("inputDefinitions", {}).get("parameters", {})
        for parameter, source in task.get("inputs", {}).get("parameters", {}).items():
            if parameter not in declared:
                continue  # of the container's, not of the program in it
            wanted = declared[parameter]["parameterType"]
            if "componentInputParameter" in source:
                got = _type(part, source["componentInputParameter"])
            elif "taskOutputParameter" in source:
                output = source["taskOutputParameter"]
                producer = part["dag"]["tasks"][output["producerTask"]]["componentRef"]["name"]
                got = _type(spec["components"][producer], output["outputParameterKey"], "output")
            else:
                continue
            assert got == wanted, f"{parameter} of {name} is {wanted}, and it gets {got}"


def test_each_pod_is_what_its_stage_asks_for(package):
    made = pods(package, PLACES)
    assert made["train"] == Pod(
        {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
        {"cloud.google.com/compute-class": "kakeai-training"},
        [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        {"KAKEAI_RUN": {"fieldPath": "metadata.labels['pipeline/runid']"}},
    )
    assert made["ingest"].limits == {"cpu": "2", "memory": "2Gi"}
    assert made["notify"].environment["KAKEAI_WEBHOOK_URL"] == {
        "secret": "kakeai-webhook",
        "key": "url",
        "optional": True,
    }


@pytest.mark.parametrize(("gpus", "limit"), [("0", "0"), ("2", "2"), ("", None)])
def test_the_number_of_gpus_is_the_limit_of_the_training_pod(package, gpus, limit):
    train = pods(package, {**PLACES, "gpus": gpus})["train"]
    assert train.limits.get("nvidia.com/gpu") == limit


def test_the_driver_refuses_what_is_no_toleration(package):
    with pytest.raises(Refused, match=re.escape('"pipelinechannel--training_tolerations" type mismatch')):
        pods(package, {**PLACES, "training_tolerations": "none"})
