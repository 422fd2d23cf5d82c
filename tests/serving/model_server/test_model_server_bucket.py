"""A model store in a bucket: the real storage client, against an emulator on loopback."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from serving.model_server.trial import predict

ROOT = Path(__file__).parents[3]
INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


@pytest.fixture
def bucket(eventually):
    """Address of a storage emulator with an empty bucket "store"."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    emulator = subprocess.Popen(
        f"{sys.executable} -W ignore -m gcp_storage_emulator start --in-memory --quiet "
        f"--host=127.0.0.1 --port={port} --default-bucket=store".split()
    )

    def answers():
        try:
            return requests.get(f"{address}/storage/v1/b/store", timeout=5).ok
        except requests.ConnectionError:
            return False

    eventually(answers)
    yield address
    emulator.terminate()
    emulator.wait()


def upload(bucket: str, folder: Path, prefix: str) -> None:
    for path in sorted(
        folder.rglob("*"), reverse=True
    ):  # variables before the graph, so that none is half there
        if path.is_file():
            requests.post(
                f"{bucket}/upload/storage/v1/b/store/o",
                params={"uploadType": "media", "name": f"{prefix}/{path.relative_to(folder)}"},
                data=path.read_bytes(),
                timeout=30,
            ).raise_for_status()


def test_versions_in_a_bucket_are_served_as_they_appear(bucket, exported, tmp_path, eventually):
    upload(bucket, exported(1), "models/tiny/1")
    process = subprocess.Popen(
        f"{sys.executable} -m serving.model_server --port=0 --model_name=tiny "
        "--model_base_path=gs://store/models/tiny --file_system_poll_wait_seconds=0.1".split(),
        cwd=ROOT,
        env=os.environ | {"STORAGE_EMULATOR_HOST": bucket, "NO_GCE_CHECK": "true", "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = ""
        for line in process.stderr:
            said += line
            if "tiny version 1 is available" in line:
                break
        assert process.poll() is None, said
        address = re.search(r"Listening on (\S+)", said)[1]
        assert predict(address, "tiny", INPUTS)["number"] == 1
        upload(bucket, exported(2), "models/tiny/2")
        eventually(lambda: predict(address, "tiny", INPUTS)["number"] == 2)
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert list(tmp_path.iterdir()) == []  # no copy of a version is left behind
    finally:
        process.kill()
        process.communicate()
