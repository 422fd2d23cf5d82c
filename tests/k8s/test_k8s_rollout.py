"""How pods come and go: they are replaced one by one, find their requests, and end when they are asked to."""

import os
import re
import signal
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
# Programs that end at SIGTERM; tests/serving shows it. As process 1, one without a handler would not even get it.
HANDLE_SIGTERM = (["python", "-m", "serving.gateway"], ["python", "-m", "serving.model_server"])
TF_SERVING = ["/usr/bin/tensorflow_model_server"]


def test_every_strategy_has_its_type(manifests):
    # Without it, `kubectl apply` finds a change each time: its patch always says which fields of a strategy stay.
    for thing in manifests.of("Deployment", "InferenceService"):
        spec = thing["spec"]
        strategy = spec["strategy"] if "strategy" in spec else spec["predictor"]["deploymentStrategy"]
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_that_ends_has_the_time_it_asks_for(manifests):
    for labels, pod in manifests.pods():
        (container,) = pod["containers"]
        grace = pod["terminationGracePeriodSeconds"]
        if labels["app.kubernetes.io/name"] == "gateway":
            settings = manifests.get("ConfigMap", "gateway")["data"]
            assert grace > int(settings["KAKEAI_DRAIN_SECONDS"]) + int(settings["KAKEAI_SHUTDOWN_SECONDS"])
        else:
            assert grace > container["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_connections_to_a_model_server_age_out_before_it_is_killed(serving):
    # They also have to end for a pod that comes later: only then do gateways look for the servers' addresses again.
    (container,) = next(
        pod["containers"]
        for labels, pod in serving.pods()
        if labels["app.kubernetes.io/name"] == "model-server"
    )
    arguments = " ".join(container["args"])
    age, grace = (
        int(re.search(rf"grpc\.{name}=(\d+)", arguments)[1])
        for name in ("max_connection_age_ms", "max_connection_age_grace_ms")
    )
    # gRPC spreads the ages by a tenth (grpc's max_age filter).
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] * 1000 > 1.1 * age + grace


def test_process_1_of_every_container_ends_when_it_is_asked_to(manifests):
    (images_own,) = re.findall(
        r"^FROM runtime AS gateway\n.*?^CMD (\[.*?\])$",
        (ROOT / "Dockerfile").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    for _, pod in manifests.pods():
        (container,) = pod["containers"]
        command = container.get("command", yaml.safe_load(images_own))
        if command == TF_SERVING:  # has no handler: its clients leave it before it is killed
            assert container["lifecycle"]["preStop"]["sleep"]["seconds"]
        else:
            assert command in HANDLE_SIGTERM


def test_the_store_writer_ends_when_it_is_asked_to(tmp_path):
    pod = yaml.safe_load((ROOT / "k8s" / "overlays" / "local" / "store-writer.yaml").read_text())
    (container,) = pod["spec"]["containers"]
    asleep = tmp_path / "asleep"
    os.mkfifo(asleep)
    sleep = tmp_path / "sleep"
    sleep.write_text(f"#!/bin/sh\necho > {asleep}\nexec /bin/sleep 60\n")
    sleep.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        container["command"], env=os.environ | {"PATH": path}, start_new_session=True
    ) as writer:
        asleep.read_text()
        writer.send_signal(signal.SIGTERM)
        # What a signal ends (-SIGTERM) has no handler, and as process 1 would not have got it.
        ended = writer.wait()
        try:
            os.killpg(writer.pid, signal.SIGKILL)
        except ProcessLookupError:
            assert ended < 0  # nothing of it is left, since it was the sleeper itself
    assert ended == 0
