"""`kakeai serve`: what it starts, it ends."""

import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.children import child
from cli.serve import _model_config, _wait_until_ready
from kakeai.errors import KakeaiError
from serving.model_server.config import Latest, ServedModel, read_config_file


def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@contextmanager
def served(kakeai_path, *options, **environment):
    """`kakeai serve` on a free port, which is given once the model answers; it ends with the test."""
    port, model_server_port = free_port(), free_port()
    command = [kakeai_path, "serve", "--port", str(port), "--model-server-port", str(model_server_port)]
    settings = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=settings) as serving:
        try:
            assert serving.stdout is not None
            told = next((line for line in serving.stdout if "Play at" in line), "it ended without a word")
            assert f"http://localhost:{port}" in told
            yield port
            serving.send_signal(signal.SIGTERM)
            serving.wait(30)
        finally:
            serving.kill()
        assert serving.returncode == 0
    for ended in (port, model_server_port):
        with socket.socket() as trial:
            assert trial.connect_ex(("127.0.0.1", ended)) != 0


def models(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as answer:
        return answer.read()


def test_a_bundle_named_in_the_environment_plays_straight_away(trained, kakeai_path):
    with served(kakeai_path, MAGENTA_MODEL=str(trained.work / "kakeai")) as port:
        assert b'"kakeai"' in models(port)


def test_a_store_plays_whatever_its_path(trained, kakeai_path, tmp_path):
    store = tmp_path / """it's a "store" {\\ of 掛け合い}"""
    shutil.copytree(trained.store, store)
    with served(kakeai_path, "--store", str(store)) as port:
        assert b'"kakeai"' in models(port)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_the_model_servers_config_names_the_store_as_it_is(tmp_path_factory, name):
    store = f"/stores/{name}"
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(_model_config(store, [name, "reel"]), encoding="utf-8")
    assert read_config_file(config) == [
        ServedModel(name, f"{store}/{name}", Latest(2)),
        ServedModel("reel", f"{store}/reel", Latest(2)),
    ]


def test_a_path_that_is_not_utf_8_is_refused():
    with pytest.raises(KakeaiError, match=r"the path '/stores/\\udcff/reel' is not UTF-8"):
        _model_config(os.fsdecode(b"/stores/\xff"), ["reel"])


def test_a_child_that_logs_any_bytes_never_waits_to_be_read(tmp_path):
    (tmp_path / "noisy.py").write_text(
        "import os\nos.write(2, b'\\xff\\n')\nfor _ in range(1000): os.write(2, b'x' * 1000 + b'\\n')\n"
    )
    with child("noisy", [], {"PYTHONPATH": str(tmp_path)}) as noisy:
        assert noisy.wait(60) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "give one of --store"),
        (["--store", "store", "--model-server", "localhost:8500"], "give one of --store"),
        (["--model-server", "localhost"], "--model-server must be HOST:PORT, not 'localhost'"),
        (
            ["--model-server", "localhost:8500", "--model-server-port", "8501"],
            "leave --model-server-port out",
        ),
    ],
)
def test_what_to_play_with_is_named_once(kakeai, options, sentence):
    ran = kakeai("serve", *options)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"kakeai: {sentence}")
    assert len(ran.stderr.splitlines()) == 1


def test_the_gateway_says_why_no_model_is_ready():
    class Said(Exception):
        pass

    def say(reason):
        raise Said(reason)

    port, nobody = free_port(), free_port()
    settings = {"KAKEAI_PORT": str(port), "KAKEAI_MODEL_SERVER": f"127.0.0.1:{nobody}"}
    with (
        child("serving.gateway", [], settings) as gateway,
        pytest.raises(Said, match="model server"),
    ):
        _wait_until_ready(f"http://127.0.0.1:{port}/readyz", {"gateway": gateway}, say)
