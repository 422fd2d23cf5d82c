"""`python -m serving.model_server`, as a user starts it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from serving.model_server.__main__ import main
from serving.model_server.server import ModelServer
from serving.model_server.trial import predict

ROOT = Path(__file__).parents[3]
INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


@contextmanager
def command(*flags: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.model_server", *flags], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process, pattern) -> str:
    """Read the log up to the line with `pattern`; its first group."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError("".join(lines))


def ends_cleanly(process, number) -> None:
    process.send_signal(number)
    process.send_signal(
        signal.SIGTERM
    )  # a second signal, as from a parent that got Ctrl-C too, changes nothing
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in rest


def test_serves_until_told_to_end(tmp_path, release):
    release(tmp_path, 4)
    with command("--port=0", "--model_name=tiny", f"--model_base_path={tmp_path}") as process:
        address = read_until(process, r"Listening on (\S+)")
        read_until(process, r"tiny version (4) is available")
        assert predict(address, "tiny", INPUTS)["number"] == 4
        ends_cleanly(process, signal.SIGTERM)


def test_serves_what_a_config_file_names_until_ctrl_c(tmp_path, release):
    (tmp_path / "reel").mkdir()
    release(tmp_path / "reel", 1)
    config = tmp_path / "models.config"
    config.write_text(f"model_config_list {{ config {{ name: 'reel' base_path: '{tmp_path}/reel' }} }}")
    with command("--port=0", f"--model_config_file={config}") as process:
        address = read_until(process, r"Listening on (\S+)")
        read_until(process, r"reel version (1) is available")
        assert predict(address, "reel", INPUTS)["number"] == 1
        ends_cleanly(process, signal.SIGINT)


def test_a_port_in_use_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with command(f"--port={port}", f"--model_base_path={tmp_path}") as process:
            _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == (
        f"Cannot listen on port {port} of 127.0.0.1: address already in use; "
        "stop the program that uses the port, or choose another port.\n"
    )


def test_a_second_server_does_not_share_the_port():
    with ModelServer([]) as first, pytest.raises(KakeaiError, match="already in use"):
        ModelServer([], port=first.port).start()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port=0"], "Say what to serve"),
        (["--port=65536", "--model_base_path=store"], "There is no port 65536"),
        (["--port=1", "--host=192.0.2.1", "--model_base_path=store"], "choose another address"),
        (["--port=0", "--model_config_file=none.config"], "none.config cannot be read"),
        (["--port=0", "--model_config_file=none.config", "--model_base_path=store"], "not both"),
    ],
)
def test_flags_that_say_too_little_or_too_much(capsys, flags, words):
    assert main(flags) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "flag", ["--port=eighty", "--file_system_poll_wait_seconds=-1", "--enable_batching=true"]
)
def test_flags_that_are_wrong(capsys, flag):
    with pytest.raises(SystemExit, match="2"):
        main([flag, "--model_base_path=store"])
    assert flag.split("=")[0] in capsys.readouterr().err
