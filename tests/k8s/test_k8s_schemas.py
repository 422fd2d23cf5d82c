"""Every object against the schemas of the two newest versions of Kubernetes."""

from pathlib import Path

import kubernetes_validate
import pytest

K8S = Path(__file__).parents[2] / "k8s"


def test_kubernetes_takes_every_object(every_object, newest_versions):
    own = [thing for thing in every_object if thing["apiVersion"] in OWN_GROUPS]
    assert len(own) > 30
    for version in newest_versions:
        for thing in own:
            kubernetes_validate.validate(thing, version, strict=True)


OWN_GROUPS = {
    "v1",
    "apps/v1",
    "autoscaling/v2",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
}


def test_a_field_that_kubernetes_does_not_know_is_found(newest_versions):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containres": []}}
    for version in newest_versions:
        with pytest.raises(kubernetes_validate.ValidationError, match="containres"):
            kubernetes_validate.validate(pod, version, strict=True)


@pytest.mark.parametrize("name", ["base", "overlays/local", "kubeflow/base"])
def test_what_is_for_any_cluster_has_no_kinds_of_others(render, name):
    assert {thing["apiVersion"] for thing in render(name).objects} <= OWN_GROUPS


def test_a_component_that_an_overlay_has_is_refused(taken_in_twice):
    assert "kakeai-dashboard" in taken_in_twice
    assert "behavior must be merge or replace" in taken_in_twice


def test_every_patch_that_takes_something_away_is_a_file_of_its_own():
    # kubectl 1.32 and older (kustomize 5.5) crash on a file with several of them.
    for file in K8S.rglob("*.yaml"):
        if "$patch: delete" in (text := file.read_text()) and file.name != "kustomization.yaml":
            assert "\n---" not in text, file
