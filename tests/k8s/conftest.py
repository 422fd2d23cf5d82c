"""The manifests as `kubectl kustomize` renders them: every overlay, and every component on the base."""

import os
import re
import shutil
import subprocess
import sys
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
OVERLAYS = [
    "base",
    *(f"overlays/{folder.name}" for folder in sorted((K8S / "overlays").iterdir())),
    "kubeflow",
]
COMPONENTS = [f"components/{folder.name}" for folder in sorted((K8S / "components").iterdir())]

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
def rendered(name: str) -> Rendered:
    """Render an overlay, or a component on the base."""
    if not name.startswith("components/"):
        return Rendered(name, _kustomize(K8S / name))
    with TemporaryDirectory() as folder:
        here = Path(folder).resolve()
        Path(folder, "kustomization.yaml").write_text(
            f"resources: [{os.path.relpath(K8S / 'base', here)}]\n"
            f"components: [{os.path.relpath(K8S / name, here)}]\n"
        )
        return Rendered(name, _kustomize(here))


def _kustomize(folder: Path) -> list[Object]:
    assert KUBECTL, "install kubectl: https://kubernetes.io/docs/tasks/tools"
    ran = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr  # kustomize warns of what it will not do one day
    return list(yaml.safe_load_all(ran.stdout))


@pytest.fixture(params=[*OVERLAYS, *COMPONENTS])
def manifests(request: pytest.FixtureRequest) -> Rendered:
    """Each of them in turn."""
    return rendered(request.param)


@pytest.fixture(scope="session")
def every_object() -> list[Object]:
    """All objects of all of them, each different one once, and what is applied by itself."""
    objects = [thing for name in (*OVERLAYS, *COMPONENTS) for thing in rendered(name).objects]
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


@pytest.fixture(scope="session", name="render")
def render_by_name() -> Any:
    """One of them by its folder's name."""
    return rendered
