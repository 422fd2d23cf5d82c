"""Every object against the schemas of the two newest versions of Kubernetes."""

import kubernetes_validate
import pytest


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
