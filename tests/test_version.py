"""The version stands in pyproject.toml. Code reads it from there; what cannot read must agree."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from components.kubeflow import IMAGE

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# `kakeai/gateway:0.1.0`, `$REGISTRY/pipeline:0.1.0`, `$image:0.1.0`, and what docker prints: `0.1.0: digest`.
TAG = re.compile(r"(?:gateway|model-server|pipeline|\$image):(\d[\w.-]*)|\b(\d+\.\d+\.\d+): digest")
# Of a kustomization: the tag of an image of ours.
NEW_TAG = re.compile(r"newName: \S*kakeai/[\w-]+\n\s+newTag: (\S+)")
TEXTS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "k8s").rglob("*.yaml")),
    ROOT / "README.md",
    ROOT / "README.ja.md",
    ROOT / "pipelines" / "kakeai.yaml",
]
PACKAGES = sorted(
    path
    for name in ("package.json", "package-lock.json")
    for path in (ROOT / "serving" / "web" / name, ROOT / "benchmarks" / "lighthouse" / name)
)


def name(path):
    return path.relative_to(ROOT).as_posix()


def named_versions(path):
    text = path.read_text("utf-8")
    tags = [tag or printed for tag, printed in TAG.findall(text)]
    return [*tags, *NEW_TAG.findall(text)]


def test_the_code_reads_the_version():
    assert version("kakeai") == VERSION
    assert f"kakeai/pipeline:{VERSION}" == IMAGE


@pytest.mark.parametrize("path", [path for path in TEXTS if named_versions(path)], ids=name)
def test_manifests_and_pages_name_this_version(path):
    assert set(named_versions(path)) == {VERSION}


def test_the_pages_and_manifests_that_name_a_version_are_found():
    found = {name(path) for path in TEXTS if named_versions(path)}
    assert found >= {
        "docs/operations.md",
        "k8s/base/gateway/kustomization.yaml",
        "k8s/components/own-model-server/kustomization.yaml",
        "k8s/overlays/gke/kustomization.yaml",
        "k8s/overlays/local/store-writer.yaml",
        "pipelines/kakeai.yaml",
    }


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_node_packages_have_this_version(path):
    package = json.loads(path.read_text())
    versions = {package["version"], package.get("packages", {}).get("", package)["version"]}
    assert versions == {VERSION}


def test_the_changelog_has_this_version():
    assert f"## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
