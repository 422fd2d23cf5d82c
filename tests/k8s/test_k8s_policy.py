"""What no pod may do, and what every container must say."""

import re


def test_nothing_runs_as_root_or_gains_rights(manifests):
    for _, pod in manifests.pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not any("hostPath" in volume for volume in pod["volumes"])
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in rights


def test_limits_are_set_and_meet_the_requests(manifests):
    for _, pod in manifests.pods():
        for container in pod["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            for resource in ("cpu", "memory"):
                assert 0 < amount(requests[resource]) <= amount(limits[resource])


def test_probes_are_set(manifests):
    for _, pod in manifests.pods():
        for container in pod["containers"]:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe].keys() & {"httpGet", "grpc"}


def test_images_are_pinned(manifests):
    for _, pod in manifests.pods():
        for container in pod["containers"]:
            assert re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+:\d+\.\d+\.\d+(?:-gpu)?", container["image"])


def test_no_pod_holds_a_token_it_has_no_use_for(manifests):
    for _, pod in manifests.pods():
        assert pod["automountServiceAccountToken"] is False
        account = manifests.get("ServiceAccount", pod["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False


def test_everything_is_in_the_restricted_namespace(manifests):
    home = "kubeflow" if manifests.name == "kubeflow" else "kakeai"
    for namespace in manifests.of("Namespace"):
        assert namespace["metadata"]["name"] == home
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for thing in manifests.objects:
        in_none = thing["kind"] in ("Namespace", "ComputeClass")
        assert thing["metadata"].get("namespace") == (None if in_none else home)


def test_a_pod_that_ends_has_the_time_it_asks_for(manifests):
    for labels, pod in manifests.pods():
        (container,) = pod["containers"]
        grace = pod["terminationGracePeriodSeconds"]
        if labels["app.kubernetes.io/name"] == "gateway":
            settings = manifests.get("ConfigMap", "gateway")["data"]
            assert grace > int(settings["KAKEAI_DRAIN_SECONDS"]) + int(settings["KAKEAI_SHUTDOWN_SECONDS"])
        else:
            assert grace > container["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_connections_to_tf_serving_age_out_before_it_is_killed(render):
    (_, pod) = next(
        pod for pod in render("base").pods() if pod[0]["app.kubernetes.io/name"] == "model-server"
    )
    (container,) = pod["containers"]
    arguments = " ".join(container["args"])
    age, grace = (
        int(re.search(rf"grpc\.{name}=(\d+)", arguments)[1])
        for name in ("max_connection_age_ms", "max_connection_age_grace_ms")
    )
    # gRPC spreads the ages by a tenth (grpc's max_age filter).
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] * 1000 > 1.1 * age + grace


def amount(quantity: str | int) -> float:
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([\d.]+)(m|Ki|Mi|Gi|)", str(quantity)).groups()
    return float(number) * {"m": 1e-3, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]
