"""What no pod may do, and what every container must say."""

import re
from pathlib import Path

import yaml

K8S = Path(__file__).parents[2] / "k8s"
(STORE_WRITER,) = yaml.safe_load((K8S / "overlays/local/store-writer.yaml").read_text())["spec"]["containers"]

# What kube-system's pods ask for on kind's node: two of coredns, etcd, kindnet and the scheduler 0.1 each, the
# controller manager 0.2, the API server 0.25.
KINDS_OWN_PROCESSORS = 0.95


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


def test_our_own_images_come_from_googles_registry_there(gke):
    for _, pod in gke.pods():
        for container in pod["containers"]:
            host = container["image"].partition("/")[0]
            assert host in ("europe-west4-docker.pkg.dev", "tensorflow")


def test_no_pod_holds_a_token_it_has_no_use_for(manifests):
    for _, pod in manifests.pods():
        assert pod["automountServiceAccountToken"] is False
        account = manifests.get("ServiceAccount", pod["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False


def test_everything_is_in_the_restricted_namespace(manifests):
    home = "kubeflow" if manifests.name.startswith("kubeflow/") else "kakeai"
    for namespace in manifests.of("Namespace"):
        assert namespace["metadata"]["name"] == home
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for thing in manifests.objects:
        in_none = thing["kind"] in ("Namespace", "ComputeClass")
        assert thing["metadata"].get("namespace") == (None if in_none else home)


def test_a_roll_out_fits_a_laptop_of_two_processors(local):
    assert not local.of("HorizontalPodAutoscaler")
    for service in local.of("InferenceService"):
        assert service["spec"]["predictor"]["maxReplicas"] == 1
    assert len(local.pods()) == 2
    asked = sum(
        amount(box["resources"]["requests"]["cpu"]) for _, pod in local.pods() for box in pod["containers"]
    )
    both = 2 * asked  # one of each, and one more of each while it rolls out
    assert both + KINDS_OWN_PROCESSORS + amount(STORE_WRITER["resources"]["requests"]["cpu"]) <= 2


def amount(quantity: str | int) -> float:
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([\d.]+)(m|Ki|Mi|Gi|)", str(quantity)).groups()
    return float(number) * {"m": 1e-3, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]
