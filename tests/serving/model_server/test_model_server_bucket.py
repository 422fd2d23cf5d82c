"""A model store in a bucket: the real storage client, against a service on loopback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from serving.model_server.client import predict

ROOT = Path(__file__).parents[3]
INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


def test_versions_in_a_bucket_are_served_as_they_appear(bucket, exported, tmp_path, eventually):
    models = bucket.folder()
    bucket.upload(exported(1), f"{models}/1")
    bucket.upload(exported(2) / "variables", f"{models}/7/variables")  # what a killed upload left
    process = subprocess.Popen(
        f"{sys.executable} -m serving.model_server --port=0 --model_name=tiny "
        f"--model_base_path={models} --file_system_poll_wait_seconds=0.1".split(),
        cwd=ROOT,
        env=os.environ | bucket.environment | {"TMPDIR": str(tmp_path)},
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
        bucket.upload(exported(2), f"{models}/2")
        eventually(lambda: predict(address, "tiny", INPUTS)["number"] == 2)
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert list(tmp_path.iterdir()) == []  # no copy of a version is left behind
    finally:
        process.kill()
        process.communicate()
