"""The manifests as `kubectl kustomize` renders them: every overlay alone, and with each component."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"
# On Linux a development package brings it, into the folder that Python is in.
KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
SERVING = ["base", *(f"overlays/{folder.name}" for folder in sorted((K8S / "overlays").iterdir()))]
COMPONENTS = sorted(folder.name for folder in (K8S / "components").iterdir())
TAKEN_IN_TWICE = {"overlays/gke + monitoring"}  # kustomize refuses what an overlay has already
WITH_COMPONENTS = [
    name
    for overlay in SERVING
    for component in COMPONENTS
    if (name := f"{overlay} + {component}") not in TAKEN_IN_TWICE
]
ALL = [
    *SERVING,
    *WITH_COMPONENTS,
    "overlays/local + own-model-server + kserve",
    "kubeflow/base",
    "kubeflow/gke",
]

Object = dict[str, Any]


class Rendered(NamedTuple):
    """What a cluster would be given."""

    name: str
    objects: list[Object]

    def of(self, *kinds: str) -> list[Object]:
        """The objects of some kinds."""
        return [thing for thing in self.objects if thing["kind"] in kinds]

    def get(self, kind: str, name: str) -> Object:
        """The object of a kind with a name; ConfigMaps are known without their hash."""
        (found,) = (
            thing
            for thing in self.of(kind)
            if thing["metadata"]["name"] == name or thing["metadata"]["name"].rsplit("-", 1)[0] == name
        )
        return found

    def pods(self) -> list[tuple[dict[str, str], Object]]:
        """Labels and specification of every pod that these objects bring about."""
        found = []
        for thing in self.objects:
            spec = thing.get("spec", {})
            if thing["kind"] == "Pod":
                found.append((thing["metadata"].get("labels", {}), spec))
            elif thing["kind"] == "InferenceService":
                found.append((spec["predictor"]["labels"], spec["predictor"]))
            elif "template" in spec:
                found.append((spec["template"]["metadata"]["labels"], spec["template"]["spec"]))
        return found


@cache
def rendered(name: str, k8s: Path = K8S) -> Rendered:
    """Render an overlay, or one with components in its list, as `overlays/local + canary`."""
    ran = kustomize(name, k8s)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr  # kustomize warns of what it will not do one day
    return Rendered(name, list(yaml.safe_load_all(ran.stdout)))


def kustomize(name: str, k8s: Path = K8S) -> subprocess.CompletedProcess[str]:
    """Render it, whatever comes of that."""
    assert KUBECTL, "install kubectl: https://kubernetes.io/docs/tasks/tools"
    overlay, *components = name.split(" + ")
    with TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "k8s"
        shutil.copytree(k8s, copy)
        file = copy / overlay / "kustomization.yaml"
        if components:
            settings = yaml.safe_load(file.read_text())
            named = settings.setdefault("components", [])
            named += [
                os.path.relpath(copy / "components" / component, file.parent) for component in components
            ]
            file.write_text(yaml.safe_dump(settings, sort_keys=False))
        command = [KUBECTL, "kustomize", file.parent]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(params=ALL)
def manifests(request: pytest.FixtureRequest) -> Rendered:
    """Each of them in turn."""
    return rendered(request.param)


@pytest.fixture(params=[*SERVING, *WITH_COMPONENTS])
def serving(request: pytest.FixtureRequest) -> Rendered:
    """Each that has a gateway and a model server."""
    return rendered(request.param)


@pytest.fixture(params=[name for name in ALL if name.startswith("overlays/local")])
def local(request: pytest.FixtureRequest) -> Rendered:
    """Each for a cluster of one node."""
    return rendered(request.param)


@pytest.fixture(params=[name for name in ALL if name.startswith("overlays/gke")])
def gke(request: pytest.FixtureRequest) -> Rendered:
    """Each for Google Kubernetes Engine."""
    return rendered(request.param)


@pytest.fixture(params=TAKEN_IN_TWICE)
def taken_in_twice(request: pytest.FixtureRequest) -> str:
    """What kustomize says of an overlay that is given a component which it has."""
    return kustomize(request.param).stderr


@pytest.fixture(scope="session")
def every_object() -> list[Object]:
    """All objects of all of them, each different one once, and what is applied by itself."""
    objects = [thing for name in ALL for thing in rendered(name).objects]
    objects += yaml.safe_load_all((K8S / "overlays" / "local" / "store-writer.yaml").read_text())
    return list({yaml.safe_dump(thing): thing for thing in objects}.values())


@pytest.fixture(scope="session")
def newest_versions() -> list[str]:
    """The two newest versions of Kubernetes whose schemas are installed."""
    schemas = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    found = (re.match(r"v(\d+)\.(\d+)", folder.name) for folder in schemas.iterdir())
    return [
        f"{major}.{minor}" for major, minor in sorted({tuple(map(int, m.groups())) for m in found if m})[-2:]
    ]


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    """Run kubectl in our namespace of its current cluster; what it prints."""

    def run(*arguments: str, given: str | None = None) -> str:
        assert KUBECTL
        command = [KUBECTL, "--namespace=kakeai", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, input=given, check=False)
        assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    return run


@pytest.fixture(scope="session", name="render")
def render_by_name() -> Any:
    """One of them by its folder's name."""
    return rendered
