"""What all tests share: a model trained through the whole pipeline, and a gateway that plays with it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from buckets import Bucket

import kakeai.model  # noqa: F401  settles TensorFlow's Keras before any test imports TensorFlow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KAKEAI = str(Path(sys.executable).with_name("kakeai"))  # the command, as it is installed
TUNES = 60
READY_SECONDS = 120
PIPELINE = [
    "--hparams",
    "batch_size=16,rnn_layer_sizes=[16],learning_rate=0.01",
    "--num-training-steps",
    "100",
    "--num-shards",
    "2",
]


class Trained(NamedTuple):
    """What `kakeai pipeline run` left."""

    corpus: Path
    store: Path
    work: Path
    settings: list[str]
    output: str


CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kakeai_path() -> str:
    """The command's file."""
    return KAKEAI


@pytest.fixture(scope="session", name="kakeai")
def kakeai_command() -> Command:
    """Run the command as a person would; its two outputs are captured."""
    return _kakeai


def _kakeai(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [KAKEAI, *arguments]
    settings = {**os.environ, "COLUMNS": "120", **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=settings, check=False)


# Of a module, no longer: while Playwright runs, no other event loop can run in its thread.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real browser."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("no Chromium here: install it, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """A storage service; its client, in this process and in those it starts, asks there from now on."""
    from cloudpathlib import GSClient

    bucket = Bucket()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        client = GSClient()
        client.set_as_default_client()
        yield bucket
    client.client.close()
    bucket.close()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first tunes of O'Neill's, as MIDI files."""
    from cli.oneills import oneills

    folder = tmp_path_factory.mktemp("corpus")
    assert oneills(folder, TUNES) == TUNES
    return folder


@pytest.fixture(scope="session")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model in a store, trained through the Kubeflow pipeline."""
    folder = tmp_path_factory.mktemp("pipeline")
    store, work = folder / "store", folder / "work"
    ran = _kakeai(
        "pipeline", "run", "--corpus", str(corpus), "--store", str(store), "--work", str(work), *PIPELINE
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr + (work / "pipeline.log").read_text()[-4000:]
    return Trained(corpus, store, work, PIPELINE, ran.stdout)


@pytest.fixture(scope="session")
def gateway_url(trained: Trained) -> Iterator[str]:
    """The address of a gateway with a model server behind it, both started by `kakeai serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [KAKEAI, "serve", "--store", str(trained.store), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until_ready(url, serving)
            assert serving.stdout
            assert any("Play at http://localhost" in line for line in serving.stdout)
            yield url
            serving.send_signal(signal.SIGINT)
            serving.wait(30)
        finally:
            serving.kill()
        assert serving.returncode == 0


def wait_until_ready(url: str, serving: subprocess.Popen[str]) -> None:
    """Ask until the gateway says that a model answers, or fail."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        assert serving.poll() is None, "kakeai serve ended"
        assert time.monotonic() < deadline, "no model was ready in time"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
