"""`python -m serving.model_server`, as a user starts it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from serving.model_server.__main__ import main
from serving.model_server.client import PredictError, predict
from serving.model_server.server import ModelServer

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


def test_killed_in_the_middle_of_an_answer_it_serves_again_until_told_to_end(tmp_path, release, eventually):
    release(tmp_path, 4)
    flags = ["--model_name=tiny", f"--model_base_path={tmp_path}"]
    with command("--port=0", *flags) as process, ThreadPoolExecutor(1) as pool:
        address = read_until(process, r"Listening on (\S+)")
        read_until(process, r"tiny version (4) is available")
        path = {"path": np.array([str(tmp_path / "slow").encode()], object)}
        slow = pool.submit(predict, address, "tiny", path, "linger", timeout_seconds=60)
        eventually((tmp_path / "slow.arrived").exists)
        process.kill()
        with pytest.raises(PredictError, match="UNAVAILABLE"):
            slow.result()
    with command(f"--port={address.split(':')[1]}", *flags) as process:
        read_until(process, r"tiny version (4) is available")
        assert predict(address, "tiny", INPUTS)["number"] == 4
        ends_cleanly(process, signal.SIGTERM)


def test_serves_what_a_config_file_names_as_it_changes_until_ctrl_c(tmp_path, release):
    """Also: in batches, and with flags that mean nothing here."""
    for number, name in enumerate(("reel", "jig"), start=1):
        (tmp_path / name).mkdir()
        release(tmp_path / name, number)
    config, parameters = tmp_path / "models.config", tmp_path / "batching.config"
    parameters.write_text("max_batch_size { value: 8 } allowed_batch_sizes: 8")

    def serve(*names):
        entries = [f"config {{ name: '{name}' base_path: '{tmp_path}/{name}' }}" for name in names]
        config.with_suffix(".tmp").write_text(f"model_config_list {{ {' '.join(entries)} }}")
        config.with_suffix(".tmp").rename(config)

    serve("reel")
    with command(
        "--port=0",
        "--rest_api_port=0",
        "--num_load_threads=4",
        "--model_name=ignored",
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=0.05",
        "--enable_batching",
        f"--batching_parameters_file={parameters}",
    ) as process:
        address = read_until(process, r"Listening on (\S+)")
        read_until(process, r"reel version (1) is available")
        melody = {"melody": np.array([[5, 6]], np.int32), "length": np.array([2], np.int32)}
        assert predict(address, "reel", melody, signature="tally")["rows"] == 8
        config.write_text("nothing that can be followed")
        read_until(process, r"(no ModelServerConfig text proto)")
        serve("jig")
        read_until(process, r"jig version (2) is available")
        assert predict(address, "jig", melody, signature="tally")["sum"] == 11
        with pytest.raises(PredictError, match="NOT_FOUND"):
            predict(address, "reel", melody, signature="tally")
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
        (["--port=0", "--model_base_path=store", "--rest_api_port=8501"], "no REST API: give both"),
        (["--port=65536", "--model_base_path=store"], "There is no port 65536"),
        (["--port=1", "--host=192.0.2.1", "--model_base_path=store"], "choose another address"),
        (["--port=0", "--model_config_file=none.config"], "none.config cannot be read"),
        (["--port=0", "--model_base_path=store", "--batching_parameters_file=none"], "add it"),
        (
            ["--port=0", "--model_base_path=store", "--enable_batching", "--batching_parameters_file=none"],
            "none cannot be read",
        ),
    ],
)
def test_flags_that_say_too_little_or_too_much(capsys, flags, words):
    assert main(flags) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "flag",
    [
        "--port=eighty",
        "--file_system_poll_wait_seconds=-1",
        "--enable_batching=maybe",
        "--grpc_max_threads=0",
        "--platform_config_file=platform.config",
        "--no_such_flag=1",
    ],
)
def test_flags_that_are_wrong(capsys, flag):
    with pytest.raises(SystemExit, match="2"):
        main([flag, "--model_base_path=store"])
    assert flag.split("=")[0] in capsys.readouterr().err


def test_help_names_every_flag_with_its_default(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    for flag in ("--port", "--batching_parameters_file", "--rest_api_port", "--num_load_threads"):
        assert flag in said
    assert "(8500)" in said
