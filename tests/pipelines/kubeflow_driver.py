"""What KFP's driver makes of a run: the pod of each task.

It does as kubeflow/pipelines 2.17.0 does in backend/src/v2/driver: `resolveInputs` (resolve.go) for the parameters of
every task, `initPodSpecPatch` (driver.go) for limits, `extendPodSpecPatch` (k8s.go) for what is Kubernetes' own. Its
answers for this pipeline are those of that code.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")
KINDS = {
    "STRING": str,
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
    "TASK_FINAL_STATUS": dict,
}
# What stands for the output of a task.
PRODUCED = {"STRING": "", "NUMBER_INTEGER": 0, "BOOLEAN": True, "LIST": [0], "STRUCT": {}}


class Refused(Exception):
    """The driver ends with an error, and the task fails before it has a pod."""


class Pod(NamedTuple):
    """What a task's pod asks for: its limits, the labels of its nodes, its tolerations and its environment."""

    limits: dict[str, str]
    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]
    environment: dict[str, dict[str, Any]]


def pods(package: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Pod]:
    """The pod of each stage, in a run of a compiled pipeline with these parameters.

    Raises Refused where the driver does.
    """
    spec = package["pipeline_spec"]
    inputs = spec["root"]["inputDefinitions"]["parameters"].items()
    defaults = {
        name: definition["defaultValue"] for name, definition in inputs if "defaultValue" in definition
    }
    return dict(_pods(package, spec["root"], {**defaults, **parameters}))


def is_of(kind: str, value: Any) -> bool:
    """Whether a value is of a parameter type; whole numbers and others are the same to KFP."""
    return isinstance(value, KINDS[kind]) and isinstance(value, bool) == (kind == "BOOLEAN")


def _pods(package: dict[str, Any], part: dict[str, Any], given: dict[str, Any]) -> Iterator[tuple[str, Pod]]:
    spec = package["pipeline_spec"]
    for name, task in part["dag"]["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        inputs = {
            key: _value(spec, part, source, given)
            for key, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        if iterator := task.get("parameterIterator"):
            inputs[iterator["itemInput"]] = inputs.pop(iterator["items"]["inputParameter"])[0]
        for key, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
            if key in inputs:
                inputs[key] = _converted(key, inputs[key], definition["parameterType"])
        if "dag" in component:
            yield from _pods(package, component, inputs)
        else:
            yield name.removesuffix("-component"), _pod(package, component["executorLabel"], inputs, given)


def _value(spec: dict[str, Any], part: dict[str, Any], source: dict[str, Any], given: dict[str, Any]) -> Any:
    if "componentInputParameter" in source:
        return given[source["componentInputParameter"]]
    if "taskOutputParameter" in source:
        output = source["taskOutputParameter"]
        producer = part["dag"]["tasks"][output["producerTask"]]["componentRef"]["name"]
        declared = spec["components"][producer]["outputDefinitions"]["parameters"]
        return PRODUCED[declared[output["outputParameterKey"]]["parameterType"]]
    if "runtimeValue" in source:
        return source["runtimeValue"]["constant"]
    return {"state": "COMPLETE"}  # taskFinalStatus


def _converted(name: str, value: Any, kind: str) -> Any:
    # handleParamTypeValidationAndConversion: anything becomes a string, and nothing else becomes what it is not.
    if kind == "STRING" and not isinstance(value, str):
        return json.dumps(value)
    if not is_of(kind, value):
        raise Refused(f'input parameter "{name}" type mismatch: expect {kind}, got {type(value).__name__}')
    return value


def _pod(package: dict[str, Any], executor: str, inputs: dict[str, Any], given: dict[str, Any]) -> Pod:
    container = package["pipeline_spec"]["deploymentSpec"]["executors"][executor]["container"]
    resources = container["resources"]
    limits = {
        "cpu": _string(resources["resourceCpuLimit"], inputs),
        "memory": _string(resources["resourceMemoryLimit"], inputs),
    }
    if accelerator := resources.get("accelerator"):
        kind, count = (_string(accelerator[key], inputs) for key in ("resourceType", "resourceCount"))
        if kind and count:
            limits[kind] = count
    kubernetes = package["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][executor]
    selector = kubernetes.get("nodeSelector", {}).get("nodeSelectorJson")
    labels = given[selector["componentInputParameter"]] if selector else {}
    tolerations = []
    for toleration in kubernetes.get("tolerations", []):
        found = given[toleration["tolerationJson"]["componentInputParameter"]]
        if not isinstance(found, dict | list):
            raise Refused("encountered unexpected toleration proto value, must be either struct or list type")
        tolerations += found if isinstance(found, list) else [found]
    environment = {
        each["name"]: {"fieldPath": each["fieldPath"]} for each in kubernetes.get("fieldPathAsEnv", [])
    }
    for secret in kubernetes.get("secretAsEnv", []):
        for key in secret["keyToEnv"]:
            environment[key["envVar"]] = {
                "secret": secret["secretName"],
                "key": key["secretKey"],
                "optional": secret["optional"],
            }
    return Pod(limits, labels if isinstance(labels, dict) else {}, tolerations, environment)


def _string(text: str, inputs: dict[str, Any]) -> str:
    # resolvePodSpecInputRuntimeParameter takes the string out of the value: of a number, that is the empty one.
    if not (placeholder := PLACEHOLDER.search(text)):
        return text
    value = inputs[placeholder[1]]
    return value if isinstance(value, str) else ""
