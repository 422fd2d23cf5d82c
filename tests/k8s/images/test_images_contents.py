"""What is in the images, and what is not."""

import json

import pytest

pytestmark = pytest.mark.images

IMAGES = ["gateway", "model-server", "pipeline"]
MAX_GATEWAY_BYTES = 200_000_000  # beyond its base image
OURS_BEGINS = "PATH=/opt/kakeai/bin"  # in the first instruction after the base image's


@pytest.mark.parametrize("name", IMAGES)
def test_the_image_says_what_it_is_and_runs_as_nobody(engine, name):
    (image,) = json.loads(engine("image", "inspect", engine.image(name)))
    config = image["Config"]
    assert config["User"] == "10001:10001"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"].startswith("Kakeai: ")
    assert labels["org.opencontainers.image.version"] == engine.image(name).rpartition(":")[2]
    assert labels["org.opencontainers.image.revision"] not in ("", "unknown")
    if name != "pipeline":
        assert "Healthcheck" in json.dumps(image)


def test_the_gateway_is_small(engine):
    history = engine("history", "--no-trunc", "--human=false", "--format", "json", engine.image("gateway"))
    # podman prints one list and says `size`; docker prints a line for each and says `Size`, as text.
    layers = json.loads(history) if history.startswith("[") else map(json.loads, history.splitlines())
    size = 0
    for layer in layers:
        size += int(layer.get("size", layer.get("Size", 0)))
        if OURS_BEGINS in layer["CreatedBy"]:
            break
    else:
        raise AssertionError("where the base image ends was not found")
    print(f"gateway: {size / 1e6:.0f} MB beyond its base")
    assert 10_000_000 < size < MAX_GATEWAY_BYTES


@pytest.mark.parametrize("name", IMAGES)
def test_no_compiler_and_no_cache_is_left(engine, name):
    program = "ls -A /root/.cache /root/.npm /var/lib/apt/lists /tmp /src 2>/dev/null | grep -v ':$'; "
    program += "command -v gcc cc make npm; true"
    with engine.running(name, "--entrypoint=sh", arguments=("-c", program)) as container:
        assert engine("wait", container) == "0"
        assert engine("logs", container).split() == []


@pytest.mark.parametrize("name", IMAGES)
def test_the_bill_of_materials_lists_what_is_installed(engine, name):
    program = """
import importlib.metadata, json, pathlib
listed = json.loads(pathlib.Path("/opt/kakeai/sbom/python.cdx.json").read_text())["components"]
print(json.dumps([
    sorted((c["name"].lower().replace("_", "-"), c["version"]) for c in listed),
    sorted((d.name.lower().replace("_", "-"), d.version) for d in importlib.metadata.distributions()),
]))"""
    with engine.running(name, "--entrypoint=python", arguments=("-c", program)) as container:
        assert engine("wait", container) == "0"
        listed, installed = json.loads(engine("logs", container))
    assert listed == [package for package in installed if package[0] != "kakeai"]
    assert len(listed) > 20


def test_the_gateway_has_the_page_and_no_tensorflow(engine):
    program = """
import importlib.util, pathlib, sys, serving.gateway.app
from serving.gateway.settings import Settings
root = pathlib.Path("/opt/kakeai")
assert not any(name.partition(".")[0] in ("keras", "note_seq") for name in sys.modules)
assert importlib.util.find_spec("tensorflow") is None
assert (Settings().page / "index.html").is_file() and (root / "sbom/page.cdx.json").is_file()
"""
    with engine.running("gateway", arguments=("python", "-c", program)) as container:
        status = engine("wait", container)
        assert status == "0", engine("logs", container)
