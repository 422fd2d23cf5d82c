"""Training in two processes, as two pods would."""

import json
import os
import socket
import subprocess
import time

import numpy as np
import pytest

from kakeai.errors import ExitStatus, KakeaiError
from kakeai.model.training import checkpoints, run
from kakeai.model.training.workers import Workers
from kakeai.stages.train import train

SETTINGS = {"hparams": "batch_size=8,rnn_layer_sizes=[8]", "config": "basic_rnn"}
SECONDS = 120


def tf_config(addresses, index):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


def test_two_processes_learn_what_one_does_and_end_together(scales, tmp_path, kakeai_path):
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in (first, second)]
    options = ["--num-training-steps", "1000000", "--early-stopping", "0"]
    command = [kakeai_path, "train", str(scales), "--run-dir", str(tmp_path / "two"), *options]
    for name, value in SETTINGS.items():
        command += [f"--{name}", value]
    workers = [
        subprocess.Popen(
            command,
            env=os.environ | {"TF_CONFIG": tf_config(addresses, index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    try:
        deadline = time.monotonic() + SECONDS
        while 100 not in checkpoints.steps(tmp_path / "two"):
            assert all(worker.poll() is None for worker in workers), [w.communicate() for w in workers]
            assert time.monotonic() < deadline, "no second checkpoint in time"
            time.sleep(0.02)
        workers[1].kill()
        told, _ = workers[0].communicate(timeout=SECONDS)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert workers[0].returncode == ExitStatus.SERVICE
    assert "worker 0 of 2 has lost another; start all of them again" in " ".join(told.split())

    train(scales, tmp_path / "one", num_training_steps=100, **SETTINGS)
    for point, expected in zip(run.curves(tmp_path / "two"), run.curves(tmp_path / "one"), strict=False):
        assert point["train"] == pytest.approx(expected["train"], rel=1e-4)
        assert point["eval"] == pytest.approx(expected["eval"], rel=1e-4)
    two, one = (checkpoints.load(tmp_path / name, 100) for name in ("two", "one"))
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "7"]
)
def test_a_cluster_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(KakeaiError, match="TF_CONFIG names no chief or worker"):
        Workers.met()


def test_a_cluster_of_one_is_no_cluster(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config(["127.0.0.1:1"], 0))
    assert Workers.met().count == 1
