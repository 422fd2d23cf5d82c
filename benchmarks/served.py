"""What the serving benchmarks talk to: a model server and a gateway of their own on loopback, and clients."""

# Protobuf makes its messages as it loads.
# pyright: reportAttributeAccessIssue=false

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from benchmarks.load import OK
from kakeai.protos.tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from serving.gateway.backend import tensors

PRIMER_STEPS = 64  # four bars of 4/4
ANSWER_STEPS = 64
MODELS = {
    "attention": ("attention_rnn", "rnn_layer_sizes=[128,128]"),
    "lookback": ("lookback_rnn", "rnn_layer_sizes=[64]"),
}
BATCHING = """
max_batch_size { value: 64 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 4 }
num_batch_threads { value: 2 }
pad_variable_length_inputs: true
"""
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0


def export_models(store: Path) -> None:
    """Write a store of untrained models: their answers are noise, and take as long as any."""
    code = (
        "import sys; from pathlib import Path; from kakeai.model.configs import config_named; "
        "from kakeai.model.network.melody_rnn import MelodyRnn; from kakeai.model.saved_model import export; "
        "export(MelodyRnn(config_named(*sys.argv[2:4])), Path(sys.argv[1]), sys.argv[4])"
    )
    for name, (config, hparams) in MODELS.items():
        (store / name).mkdir(parents=True)
        subprocess.run(
            [sys.executable, "-c", code, str(store / name / "1"), config, hparams, name],
            check=True,
            stderr=subprocess.DEVNULL,
        )


class Process(NamedTuple):
    """A server in a process of its own."""

    pid: int
    address: str
    started_in: float  # seconds until it said that it listens

    def processor_seconds(self) -> float:
        """Processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = int(fields[11]), int(fields[12])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Its memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024


@contextmanager
def model_server(store: Path, log: Path, batched: bool) -> Iterator[Process]:
    """A model server with both models loaded, in batches of up to 64 or without."""
    config = store.with_suffix(".config")
    config.write_text(
        "model_config_list {"
        + "".join(f'config {{ name: "{name}" base_path: "{store / name}" }}' for name in MODELS)
        + "}"
    )
    flags = ["--port=0", f"--model_config_file={config}"]
    if batched:
        parameters = store.with_suffix(".batching")
        parameters.write_text(BATCHING)
        flags += ["--enable_batching", f"--batching_parameters_file={parameters}"]
    with _process("serving.model_server", flags, {}, log, r"Listening on (\S+)") as process:
        for name in MODELS:
            _wait_for(log, rf"{name} version (1) is available")
        yield process


@contextmanager
def gateway(server: Process, log: Path, **settings: str) -> Iterator[Process]:
    """A gateway in front of `server`. `settings` are those of its environment, without the prefix."""
    environment = {"PORT": "0", "MODEL_SERVER": server.address, "MODEL": "attention", **settings}
    named = {f"KAKEAI_{name}": value for name, value in environment.items()}
    with _process("serving.gateway", [], named, log, r"https?://(\S+:\d+)") as process:
        yield process


@contextmanager
def _process(
    module: str, flags: list[str], settings: dict[str, str], log: Path, listens: str
) -> Iterator[Process]:
    began = time.perf_counter()
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *flags],
            env={**os.environ, **settings},
            stdout=written,
            stderr=written,
        )
    try:
        address = _wait_for(log, listens)
        yield Process(process.pid, address, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def _wait_for(log: Path, pattern: str) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.01)
    raise TimeoutError(f"{pattern!r} is not in:\n{log.read_text()}")


class GrpcClient:
    """Asks a model server directly for what the gateway would ask it."""

    def __init__(self, address: str, model: str) -> None:
        """Of one model."""
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model

    async def ask(self, number: int) -> str:
        """OK, or the status code."""
        try:
            await self._stub.Predict(_request(self._model, number), timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return OK

    async def log_likelihood(self, number: int) -> float:
        """Of the answer to the request of that number."""
        response = await self._stub.Predict(_request(self._model, number), timeout=ANSWER_SECONDS)
        return float(tensors.array(response.outputs["log_likelihood"])[0])

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()


class HttpClient:
    """Asks a gateway, over as many connections as requests are under way; lean, for it shares the processors."""

    def __init__(self, address: str, model: str) -> None:
        """Of one model."""
        self._host, port = address.rsplit(":", 1)
        self._port = int(port)
        self._model = model
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, number: int) -> str:
        """OK, or the HTTP status."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, _ = await self.send("POST", "/v1/generate", _body(self._model, number))
        except (OSError, asyncio.IncompleteReadError) as error:
            return type(error).__name__
        return OK if status == 200 else str(status)

    async def log_likelihood(self, number: int) -> float:
        """Of the answer to the request of that number."""
        status, body = await self.send("POST", "/v1/generate", _body(self._model, number))
        assert status == 200, body
        answer = json.loads(body)
        return (answer["answers"][0] if "answers" in answer else answer)["log_likelihood"]

    async def longest_stop(self) -> float:
        """Milliseconds that the gateway's event loop was late, at most, as its histogram tells: a bucket's bound."""
        _, figures = await self.send("GET", "/metrics")
        buckets = re.findall(
            r'^kakeai_loop_lag_seconds_bucket\{le="(.+)"\} (\S+)$', figures.decode(), re.MULTILINE
        )
        looks = float(buckets[-1][1])
        return next(float(bound) * 1e3 for bound, count in buckets if float(count) == looks)

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer."""
        reader, writer = await self._connection()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"^content-length: (\d+)", answer, re.MULTILINE)
        content = await reader.readexactly(int(length[1]) if length else 0)
        if "connection: close" in answer:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(answer.split(" ", 2)[1]), content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # the gateway hangs up on who says nothing for some seconds
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def close(self) -> None:
        """Hang up."""
        for _, writer in self._idle:
            writer.close()


def _request(model: str, number: int) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "generate"
    melody = np.full(PRIMER_STEPS, -2, np.int32)
    melody[::4] = _pitches(number)
    for name, values in {
        "melody": melody[np.newaxis],
        "length": np.array([PRIMER_STEPS], np.int32),
        "steps": np.array([ANSWER_STEPS], np.int32),
        "temperature": np.array([1.0], np.float32),
        "seed": np.array([number], np.int64),
    }.items():
        request.inputs[name].CopyFrom(tensors.tensor(values))
    return request


def _body(model: str, number: int) -> bytes:
    quarter = 0.5  # seconds at 120 quarter notes a minute
    notes = [
        {"pitch": pitch, "start": i * quarter, "end": (i + 1) * quarter}
        for i, pitch in enumerate(_pitches(number))
    ]
    asked = {"notes": notes, "steps": ANSWER_STEPS, "temperature": 1.0, "seed": number, "model": model}
    return json.dumps(asked).encode()


def _pitches(number: int) -> list[int]:
    return [60 + (number + 5 * i) % 12 for i in range(PRIMER_STEPS // 4)]
