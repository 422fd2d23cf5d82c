"""`python -m benchmarks.serving`: answers a second and their latency, from the model server and the gateway.

Everything is on loopback and shares this machine's processors: servers, gateway and the clients here. The
models are untrained, which changes nothing in the time that they take.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import numpy as np
import websockets

from benchmarks.load import OK, closed_loop, joined, open_loop
from benchmarks.results import Figure, report
from benchmarks.served import (
    ANSWER_STEPS,
    MODELS,
    PRIMER_STEPS,
    GrpcClient,
    HttpClient,
    Process,
    export_models,
    gateway,
    model_server,
)
from benchmarks.stops import stops

CLIENTS = 64
SECONDS = 8.0  # of a closed loop
WARM_SECONDS = 2.0
QUIET_RATE = 20.0  # requests a second at which latencies are compared
QUIET_SECONDS = 3.0
QUIET_TURNS = 6
OVERLOAD_SECONDS = 30.0
OVERLOAD = 4.0  # times the capacity
SESSIONS = 500
SETTING = f"a call of {PRIMER_STEPS} steps, an answer of {ANSWER_STEPS}"

# All clients are served, however long it takes: throughput is what counts. Otherwise the gateway is as it comes.
NO_HURRY = {"LATE_SECONDS": "10"}

# Limits, from the project's aims.
MIN_GAIN = 5.0  # × of batching over one request at a time
MIN_SHARE = 60.0  # % of the model server's own throughput
MAX_ADDED_P50_MS, MAX_ADDED_P99_MS = 3.0, 8.0
MAX_READY_SECONDS, MAX_REST_MB, MAX_SESSIONS_MB = 1.0, 90.0, 150.0
MAX_STOP_MS = 20.0
MAX_STRETCH = 3.0  # times the p99 at half load
GIVE_UP_SECONDS = 20.0
MAX_SHED_MS, MAX_RECOVERY_SECONDS = 100.0, 2.0


async def model_server_figures(folder: Path) -> list[Figure]:
    """Throughput of the model server alone."""
    store = folder / "store"
    rows = []
    for model, (config, _) in MODELS.items():
        rates = {}
        for batched, clients in ((False, 1), (False, CLIENTS), (True, CLIENTS)):
            with model_server(store, folder / "model_server.log", batched) as server:
                client = GrpcClient(server.address, model)
                await closed_loop(client.ask, clients, WARM_SECONDS)
                load = await closed_loop(client.ask, clients, SECONDS)
                await client.close()
            _all_answered(load.refused())
            rates[batched, clients] = load.rate
            setting = f"{config}, {clients} clients, {'batches' if batched else 'no batches'}"
            rows.append(Figure("model server, closed loop", setting, "answers/s", load.rate))
            rows.append(Figure("", setting, "ms at p99", load.milliseconds(99)))
        gain = rates[True, CLIENTS] / rates[False, 1]
        rows.append(Figure("batches beside one request at a time", config, "×", gain, MIN_GAIN))
        gain = rates[True, CLIENTS] / rates[False, CLIENTS]
        rows.append(Figure("batches beside the same load without", config, "×", gain))
    return rows


async def gateway_figures(folder: Path) -> list[Figure]:
    """What the gateway adds to a direct call, and what it takes."""
    with model_server(folder / "store", folder / "model_server.log", batched=True) as server:
        with gateway(server, folder / "gateway.log") as front:
            ready = await _seconds_until_ready(front)
            rest = front.resident_mb()
            direct, through = GrpcClient(server.address, "attention"), HttpClient(front.address, "attention")
            if abs(await direct.log_likelihood(7) - await through.log_likelihood(7)) > 1e-3:
                raise AssertionError("the gateway's answer is not the model server's")
            for client in (direct, through):
                await open_loop(client.ask, QUIET_RATE, WARM_SECONDS)
            turns = []
            for _ in range(QUIET_TURNS):  # in turn, so that whatever else the machine does meets both
                turns.append(
                    [await open_loop(client.ask, QUIET_RATE, QUIET_SECONDS) for client in (direct, through)]
                )
            alone, fronted = map(joined, zip(*turns, strict=True))
            for load in (alone, fronted):
                _all_answered(load.refused())
            await through.close()
        with gateway(server, folder / "gateway.log", **NO_HURRY) as front:
            await _seconds_until_ready(front)
            through = HttpClient(front.address, "attention")
            await closed_loop(through.ask, CLIENTS, WARM_SECONDS)
            full = [await closed_loop(client.ask, CLIENTS, SECONDS) for client in (direct, through)]
            for load in full:
                _all_answered(load.refused())
            busy = await through.longest_stop()
            await direct.close()
            await through.close()
        with gateway(server, folder / "gateway.log") as front:
            with_sessions = await _resident_mb_with_sessions(front)
    at = f"attention_rnn, {QUIET_RATE:g} requests/s"
    added = [fronted.milliseconds(percent) - alone.milliseconds(percent) for percent in (50, 99)]
    return [
        Figure("direct call", at, "ms at p50", alone.milliseconds(50)),
        Figure("gateway adds", at, "ms at p50", added[0], MAX_ADDED_P50_MS),
        Figure("direct call", at, "ms at p99", alone.milliseconds(99)),
        Figure("gateway adds", at, "ms at p99", added[1], MAX_ADDED_P99_MS),
        Figure("direct calls", f"{CLIENTS} clients", "answers/s", full[0].rate),
        Figure("through the gateway", f"{CLIENTS} clients", "answers/s", full[1].rate),
        Figure("gateway's share", f"{CLIENTS} clients", "%", 100 * full[1].rate / full[0].rate, MIN_SHARE),
        Figure("loop's longest stop", f"{CLIENTS} clients", "ms at most", busy),
        Figure("gateway ready", "from the start of its process", "s", ready, MAX_READY_SECONDS),
        Figure("gateway resident", "at rest", "MB", rest, MAX_REST_MB),
        Figure("gateway resident", f"{SESSIONS} idle sessions", "MB", with_sessions, MAX_SESSIONS_MB),
    ]


async def stop_figures(folder: Path) -> list[Figure]:
    """How long one frame or request holds the gateway's event loop at most."""
    with model_server(folder / "store", folder / "model_server.log", batched=True) as server:
        held = await stops(server.address, "attention")
    return [
        Figure("longest stop of the loop", name, "ms of processor", ms, MAX_STOP_MS)
        for name, ms in held.items()
    ]


async def overload_figures(folder: Path) -> list[Figure]:
    """Four times what can be answered, for half a minute."""
    with (
        model_server(folder / "store", folder / "model_server.log", batched=True) as server,
        ExitStack() as stack,
    ):
        with gateway(server, folder / "gateway.log", **NO_HURRY) as front:
            await _seconds_until_ready(front)
            client = HttpClient(front.address, "attention")
            await closed_loop(client.ask, CLIENTS, WARM_SECONDS)
            capacity = (await closed_loop(client.ask, CLIENTS, SECONDS)).rate
            await client.close()
        front = stack.enter_context(gateway(server, folder / "gateway.log"))
        await _seconds_until_ready(front)
        client = HttpClient(front.address, "attention")
        await open_loop(client.ask, capacity / 2, WARM_SECONDS)
        half = await open_loop(client.ask, capacity / 2, SECONDS)
        before = [process.resident_mb() for process in (server, front)]
        worked = _processor_seconds(server, front)
        load = await open_loop(client.ask, OVERLOAD * capacity, OVERLOAD_SECONDS)
        cores = (_processor_seconds(server, front) - worked) / load.seconds
        recovery = await _seconds_until_usual(client.ask, half.milliseconds(99) / 1e3)
        grown = [process.resident_mb() - mb for process, mb in zip((server, front), before, strict=True)]
        stop = await client.longest_stop()
        await client.close()
    stretch = load.milliseconds(99) / half.milliseconds(99)
    at = f"{OVERLOAD:g} × capacity for {OVERLOAD_SECONDS:g} s"
    refused = load.refused()
    shed = sum(refused.values())
    said = ", ".join(f"{status} {count}" for status, count in refused.items())
    return [
        Figure("capacity", f"{CLIENTS} clients, closed loop", "answers/s", capacity),
        Figure("answers", "half of capacity", "ms at p99", half.milliseconds(99)),
        Figure("answers", at, "answers/s", load.rate),
        Figure("answers", at, "ms at p99", load.milliseconds(99)),
        Figure("p99 beside half load", at, "times", stretch, MAX_STRETCH),
        Figure("shed", f"{at}: {said}", "% of requests", 100 * shed / len(load.answers)),
        Figure("shed", at, "ms at p99", load.milliseconds(99, ok=False), MAX_SHED_MS),
        *(
            Figure(f"work of the {who}", at, "cores", taken)
            for who, taken in zip(("model server", "gateway", "clients"), cores, strict=True)
        ),
        Figure("loop's longest stop", at, "ms at most", stop),
        Figure("usual again", "after the load", "s", recovery, MAX_RECOVERY_SECONDS),
        Figure("model server grown", at, "MB", grown[0]),
        Figure("gateway grown", at, "MB", grown[1]),
    ]


def _processor_seconds(server: Process, front: Process) -> np.ndarray:
    """That model server, gateway and the clients here have taken so far."""
    return np.array([server.processor_seconds(), front.processor_seconds(), time.process_time()])


async def _seconds_until_ready(front: Process) -> float:
    began = time.perf_counter()
    host, port = front.address.rsplit(":", 1)
    while True:
        with suppress(ConnectionRefusedError):  # it tells its address a moment before it listens
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            if b" 200 " in answer.split(b"\r\n", 1)[0]:
                return front.started_in + time.perf_counter() - began
        await asyncio.sleep(0.01)


async def _resident_mb_with_sessions(front: Process) -> float:
    await _seconds_until_ready(front)
    async with AsyncExitStack() as stack:
        for _ in range(SESSIONS):
            connection = websockets.connect(f"ws://{front.address}/v1/session")
            session = await stack.enter_async_context(connection)
            await session.send('{"type": "start"}')
            await session.recv()
        return front.resident_mb()


async def _seconds_until_usual(ask: Callable[[int], Awaitable[str]], seconds: float) -> float:
    # Usual is an answer within the p99 at half load.
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < GIVE_UP_SECONDS:
        asked = time.perf_counter()
        if await ask(0) == OK and time.perf_counter() - asked <= seconds:
            return time.perf_counter() - began
    return waited


def _all_answered(refused: dict[str, int]) -> None:
    if refused:
        raise AssertionError(f"not every request was answered: {dict(refused)}")


GATEWAY_NOTE = (
    "The gateway's own metric gives the longest stop of its loop, twenty times a second. It includes the wait for a "
    "processor: three processes share the two that there are."
)
STOPS_NOTE = (
    "Each row is the longest single piece of work of the gateway's event loop, in processor time of its thread, best "
    "of five rounds. Other work on the machine does not count."
)
OVERLOAD_NOTE = (
    "Times count from the moment at which a request was due, so that lateness of the clients, which share the two "
    "cores, counts as the gateway's. Their collector rests meanwhile: it would stop them for 0.2 s at a time, and what "
    "they then send at once waits."
)

PARTS = {
    "model-server": ("Model server", model_server_figures, ""),
    "gateway": ("Gateway", gateway_figures, GATEWAY_NOTE),
    "stops": ("The gateway's event loop", stop_figures, STOPS_NOTE),
    "overload": ("Gateway under overload", overload_figures, OVERLOAD_NOTE),
}


def main(parts: list[str]) -> None:
    """Measure the parts named, all by default, and report each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export_models(folder / "store")
        for part in parts or PARTS:
            title, figures, note = PARTS[part]
            how = f"`python -m benchmarks.serving {part}`; {SETTING}. {note}".rstrip()
            report(title, asyncio.run(figures(folder)), how)


if __name__ == "__main__":
    main(sys.argv[1:])
