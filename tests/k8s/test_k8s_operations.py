"""docs/operations.md names what there is, and its edits of files do what they say."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from kakeai.running.stage import FINISHED, PROGRESS, REFUSED
from serving.gateway.settings import Settings
from serving.model_server.config import Specific, read_config_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()


def test_every_file_it_names_is_there():
    named = set(re.findall(r"\b((?:k8s|tests|locks)/[\w./-]*[\w])", PAGE))
    named = {name for name in named if not name.startswith("k8s/overlays/mine")}  # the reader's own
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_part_of_the_manifests_is_named():
    for folder in (*(ROOT / "k8s" / "components").iterdir(), *(ROOT / "k8s" / "overlays").iterdir()):
        assert folder.name in PAGE


def test_the_settings_that_it_names_exist():
    named = set(re.findall(r"KAKEAI_([A-Z_]+)", PAGE))
    lines_of_stages = {line.strip().removeprefix("KAKEAI_") for line in (PROGRESS, FINISHED, REFUSED)}
    commands_own = {"PIPELINE_IMAGE", "KUBEFLOW_TOKEN", "KUBEFLOW_COOKIE"}
    assert named <= {name.upper() for name in Settings.model_fields} | lines_of_stages | commands_own


@pytest.mark.parametrize(("label", "version"), [("stable", 2), ("canary", 1)])
def test_a_canary_is_promoted_or_taken_back_by_one_line(label, version, tmp_path):
    (edit,) = re.findall(rf"sed -i ('/\"{label}\"/[^']*') (k8s\S+)", PAGE)
    copy = tmp_path / "models.config"
    copy.write_text((ROOT / edit[1]).read_text())
    subprocess.run(f"sed -i {edit[0]} {copy}", shell=True, check=True)
    (model,) = read_config_file(copy)
    assert set(model.version_labels.values()) == {version}


def test_a_bad_model_is_left_by_one_line(render, tmp_path):
    (edit,) = re.findall(r"get configmap models -o yaml \| sed ('[^']*')", PAGE)
    file = tmp_path / "models.config"
    file.write_text(render("base").get("ConfigMap", "models")["data"]["models.config"])
    subprocess.run(f"sed -i {edit} {file}", shell=True, check=True)
    (model,) = read_config_file(file)
    assert model.policy == Specific((6,))


@pytest.mark.parametrize(
    "title",
    ["Google Kubernetes Engine", "Retraining with Kubeflow", "Phrases that players give", "Upgrade"],
)
def test_every_command_of_the_way_there_says_what_it_prints(title):
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    commands = [
        line.strip()
        for line in re.sub(r"\\\n\s*", " ", section).splitlines()
        if re.match(r" {4,}(?:kubectl|gcloud|docker|make|curl|sed|cp|for|\.venv/bin/kakeai) ", line)
    ]
    assert commands
    assert [command for command in commands if not re.search(r"\s# \S", command)] == []


def test_an_overlay_of_ones_own_has_no_examples_left(render, tmp_path):
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    block = PAGE.split("8. **An overlay of your own.**")[1].split("\n9. ")[0]
    commands = [line for line in block.splitlines() if re.match(r" {7}(?:cp|sed) ", line)]
    own = {"PROJECT": "p", "REGION": "asia-east1", "BUCKET": "b", "HOST": "k.test", "ADDRESS": "192.0.2.1"}
    for command in [*commands, *re.findall(r"^ {4}(sed .*KAKEAI_COLLECT.*)$", PAGE, re.MULTILINE)]:
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=os.environ | own)
    for folder in ("overlays/mine", "kubeflow/gke"):
        made = yaml.safe_dump_all(render(folder, tmp_path / "k8s").objects)
        assert "example" not in made
        assert "203.0.113.10" not in made
    mine = render("overlays/mine", tmp_path / "k8s")
    gateway = mine.get("ConfigMap", "gateway")["data"]
    assert gateway["KAKEAI_STORE"] == "gs://b/store"
    assert gateway["KAKEAI_COLLECT"] == "gs://b/phrases"
    assert gateway["KAKEAI_TRUSTED_PROXIES"].endswith(",192.0.2.1")
