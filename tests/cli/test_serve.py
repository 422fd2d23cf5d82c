"""`kakeai serve`: what it starts, it ends."""

import os
import signal
import socket
import subprocess
import urllib.request


def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def test_a_bundle_named_in_the_environment_plays_straight_away(trained, kakeai_path):
    port, model_server_port = free_port(), free_port()
    command = [kakeai_path, "serve", "--port", str(port), "--model-server-port", str(model_server_port)]
    environment = {**os.environ, "MAGENTA_MODEL": str(trained.work / "kakeai"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stdout is not None
        told = next((line for line in serving.stdout if "Play at" in line), "it ended without a word")
        assert f"http://localhost:{port}" in told
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as answer:
            assert b'"kakeai"' in answer.read()
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)
        assert serving.returncode == 0
    for ended in (port, model_server_port):
        with socket.socket() as trial:
            assert trial.connect_ex(("127.0.0.1", ended)) != 0
