"""What the stages' pods ask of a cluster, and what happens when one of them fails."""

from typing import Any, NamedTuple

from kfp import dsl, kubernetes

from kakeai.running.outcome import RUN
from kakeai.stages.notify import WEBHOOK

GPU_NODES = {"cloud.google.com/compute-class": "kakeai-training"}  # k8s/kubeflow/gke/training-nodes.yaml
GPU_TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
WEBHOOK_SECRET = "kakeai-webhook"  # its key `url`; a cluster without it has no webhook


class Pod(NamedTuple):
    """What a pod asks for, and how often its stage is tried.

    Attributes:
        cpu: Processors that it is sure to get, and may use.
        memory: The most it may use, as Kubernetes writes it.
        retries: Attempts after the first, that wait 30 s, 60 s, 120 s, …
    """

    cpu: str
    memory: str
    retries: int


# Measured; the table stands in docs/operations.md (Sizes and cost), with what the rest of the memory is for.
PODS = {
    "survey": Pod("1", "1Gi", 3),
    "ingest": Pod("2", "2Gi", 3),
    "convert": Pod("2", "4Gi", 2),
    "train": Pod("4", "8Gi", 5),  # Spot nodes are taken away; each attempt goes on from the last checkpoint
    "evaluate": Pod("2", "4Gi", 2),
    "bundle": Pod("1", "2Gi", 2),
    "release": Pod("1", "2Gi", 3),
    "notify": Pod("0.25", "512Mi", 0),  # tries the webhook again by itself
}


def give_pod(task: dsl.PipelineTask, stage: str) -> dsl.PipelineTask:
    """Set what the pod of a stage asks for, its retries, and the run's id in its environment."""
    pod = PODS[stage]
    task.set_cpu_request(pod.cpu).set_cpu_limit(pod.cpu)
    task.set_memory_request(pod.memory).set_memory_limit(pod.memory)
    if pod.retries:
        task.set_retry(pod.retries, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
    # Not as a parameter: with another one in every run, no result would be reused.
    kubernetes.use_field_path_as_env(task, RUN, "metadata.labels['pipeline/runid']")
    return task


def give_gpus(task: dsl.PipelineTask, gpus: Any, nodes: Any, tolerations: Any) -> None:  # noqa: ANN401  KFP's channels
    """Let a task have GPUs (0: none), on nodes with these labels, though they keep others away.

    Args:
        task: The task.
        gpus: A parameter that is a string, the only type that KFP resolves to a limit.
        nodes: A parameter that is a dict of strings.
        tolerations: A parameter that is a list of tolerations.
    """
    task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)
    kubernetes.add_node_selector_json(task, nodes)
    kubernetes.add_toleration_json(task, tolerations)


def give_webhook(task: dsl.PipelineTask) -> None:
    """Put the webhook's URL into the environment of a task, from its Secret."""
    kubernetes.use_secret_as_env(task, WEBHOOK_SECRET, {"url": WEBHOOK}, optional=True)
