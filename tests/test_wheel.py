"""The wheel: it holds the page, and without TensorFlow it serves the page in front of a model server elsewhere."""

import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from stand_in import StandIn

from kakeai import write_midi

ROOT = Path(__file__).parents[1]
LIGHT = ROOT / "locks" / "gateway.txt"
SOURCES = ["pyproject.toml", "setup.py", "README.md", "LICENSE"]
PACKAGES = ["cli", "components", "kakeai", "pipelines"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
PHRASE = {"notes": [{"pitch": 60, "start": 0, "end": 0.5, "velocity": 90}], "qpm": 120, "steps": 8}


def clean_environment():
    """The environment without what names Kakeai's code or its settings."""
    ours = ("KAKEAI_", "PYTHON", "MAGENTA_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def build(sources, wheels):
    command = [
        *PIP,
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--wheel-dir",
        wheels,
        sources,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment())


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what the wheel is made of, with what an earlier build left behind."""
    folder = tmp_path_factory.mktemp("sources")
    unwanted = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    for name in [*PACKAGES, "serving"]:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    left = folder / "build" / "lib" / "serving" / "web" / "dist" / "assets" / "index-of-yesterday.js"
    left.parent.mkdir(parents=True)
    left.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    wheels = tmp_path_factory.mktemp("wheels")
    built = build(sources, wheels)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = wheels.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """The programs of an environment with the wheel and the packages of its light install, and no other."""
    folder = tmp_path_factory.mktemp("light")
    packages = folder / "packages"
    for name in re.findall(r"^([\w.-]+)==", LIGHT.read_text(), re.MULTILINE):
        for file in importlib.metadata.files(name) or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                link = packages / file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():  # a package may be there twice, one version for each Python
                    link.symlink_to(file.locate())
    venv.create(folder / "venv", symlinks=True)
    (site_packages,) = folder.glob("venv/lib/python*/site-packages")
    (site_packages / "light.pth").write_text(f"{packages}\n")
    python = folder / "venv" / "bin" / "python"
    install = [*PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, env=clean_environment())
    return python.parent


@pytest.fixture
def run(bin_folder, tmp_path):
    """Run a program of that environment, in a folder of its own."""

    def run(program, *arguments):
        command = [bin_folder / program, *arguments]
        environment = {**clean_environment(), "COLUMNS": "200"}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )

    return run


def test_the_wheel_has_todays_page_and_no_sources_of_it(wheel):
    packed = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("serving/web/")]
    page = ROOT / "serving" / "web" / "dist"
    built = [file.relative_to(page).as_posix() for file in page.rglob("*") if file.is_file()]
    assert sorted(packed) == sorted(f"serving/web/dist/{name}" for name in built)
    assert "index.html" in built


def test_no_wheel_is_built_without_the_page(sources, tmp_path):
    page = sources / "serving" / "web" / "dist"
    aside = page.rename(tmp_path / "dist")
    try:
        built = build(sources, tmp_path / "wheels")
    finally:
        aside.rename(page)
    assert built.returncode != 0
    assert "the session page is not built; run `make page` first" in built.stdout + built.stderr
    assert not list(tmp_path.glob("wheels/*.whl"))


def test_the_light_install_has_no_tensorflow(run):
    ran = run("python", "-c", "import tensorflow")
    assert "No module named 'tensorflow'" in ran.stderr


def test_a_phrase_is_answered_by_a_model_server_elsewhere(bin_folder, tmp_path):
    model = StandIn()
    model.reset()
    server, address = model.serve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [bin_folder / "kakeai", "serve", "--model-server", address, "--port", str(port)]
    environment = {**clean_environment(), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as serving:
        try:
            lines = []
            assert serving.stdout
            for line in serving.stdout:
                lines.append(line)
                if "Play at" in line:
                    break
            assert lines[-1:] == [f"Play at http://localhost:{port}   (Ctrl-C ends it)\n"], lines
            url = f"http://127.0.0.1:{port}"
            page = urllib.request.urlopen(f"{url}/", timeout=20).read()
            assert page == (ROOT / "serving" / "web" / "dist" / "index.html").read_bytes()
            (script,) = re.findall(
                r'src="\./(assets/index-[^"]+\.js)"|src="/(assets/index-[^"]+\.js)"', page.decode()
            )
            assert urllib.request.urlopen(f"{url}/{''.join(script)}", timeout=20).status == 200
            request = urllib.request.Request(
                f"{url}/v1/generate", json.dumps(PHRASE).encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                (played,) = json.load(answer)["answers"]
            assert {note["pitch"] for note in played["notes"]} == {60}  # the stand-in plays the phrase again
            assert model.asked[-1].model == "kakeai"
            serving.send_signal(signal.SIGTERM)
            assert serving.wait(30) == 0
        finally:
            serving.kill()
            server.stop(None).wait()


def test_version_and_library_work_without_tensorflow(run):
    assert run("kakeai", "--version").stdout == f"kakeai {importlib.metadata.version('kakeai')}\n"
    program = """
import kakeai, numpy
kakeai.write_midi("a.mid", numpy.array([60, -2, 62, -1], numpy.int8))
print(kakeai.melody_of(kakeai.read_midi("a.mid")).tolist())
try:
    kakeai.load("a.mag")
except kakeai.KakeaiError as error:
    print(error)
"""
    ran = run("python", "-c", program)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "[60, -2, 62]",
        "kakeai.load needs kakeai[pipeline]: pip install 'kakeai[pipeline]'",
    ]


@pytest.mark.parametrize(
    ("command", "extra", "arguments"),
    [
        ("serve --bundle", "pipeline", ["a.mag"]),
        ("serve --store", "model-server", ["store"]),
        ("model-server", "model-server", ["--model_name=kakeai", "--model_base_path=store"]),
        ("train", "pipeline", ["dataset", "--run-dir", "run"]),
        ("evaluate", "pipeline", ["dataset", "--run-dir", "run", "--output", "evaluation"]),
        ("bundle", "pipeline", ["--run-dir", "run", "--output", "bundle"]),
        ("release", "pipeline", ["bundle", "--store", "store"]),
        ("generate", "pipeline", ["--bundle", "a.mag"]),
        ("tensorboard", "pipeline", ["run"]),
        ("corpus oneills", "pipeline", ["tunes"]),
        ("pipeline run", "pipeline", ["--corpus", "midi", "--store", "store"]),
        ("pipeline compile", "pipeline", ["kakeai.yaml"]),
    ],
)
def test_a_command_names_the_extra_that_it_needs(run, tmp_path, command, extra, arguments):
    (tmp_path / "a.mag").touch()
    before = sorted(tmp_path.rglob("*"))
    ran = run("kakeai", *command.split(), *arguments)
    assert ran.stderr == f"kakeai: kakeai {command} needs kakeai[{extra}]: pip install 'kakeai[{extra}]'\n"
    assert ran.returncode == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_survey_needs_no_extra_and_ingest_says_what_it_needs(run, tmp_path):
    (tmp_path / "midi").mkdir()
    write_midi(tmp_path / "midi" / "a.mid", np.array([60, -2, 62, -2], np.int8))
    surveyed = run("kakeai", "survey", "midi", "--output", "manifest")
    assert (surveyed.returncode, surveyed.stderr) == (0, "")
    ingested = run("kakeai", "ingest", "midi", "--output", "note_sequences")
    sentence = "kakeai: reading a corpus needs kakeai[pipeline]: pip install 'kakeai[pipeline]'\n"
    assert (ingested.returncode, ingested.stderr) == (2, sentence)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest", "midi"]
