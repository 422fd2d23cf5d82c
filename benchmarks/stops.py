"""How long a gateway's event loop is held by the frames and requests that it has the most work with.

The gateway runs in a thread of this process, on asyncio's own loop: each piece of work that the loop does is timed, in
processor time of its thread. So neither the clients nor whatever else the machine does counts.
"""

import asyncio
import gc
import json
import threading
import time
from asyncio.events import Handle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import websockets

from benchmarks.served import HttpClient
from serving.gateway.app import create_app
from serving.gateway.server import GatewayServer, listen
from serving.gateway.settings import Settings

ROUNDS = 5  # of each flood: the first has what is computed once, and the shortest counts

_MOST_BYTES = (1 << 20) - 16  # KAKEAI_MAX_BODY_BYTES, less what is around them
_MOST_NOTES = 4096  # KAKEAI_MAX_NOTES
_START = '{"type": "start"}'


class _Watched(NamedTuple):
    address: str
    seconds: list[float]  # processor time of every piece of work so far


async def stops(model_server: str, model: str) -> dict[str, float]:
    """Milliseconds of the longest piece of work of each flood, by what is hard about it."""
    found = {}
    with _watched_gateway(model_server, model) as gateway:
        for name, send in _floods(gateway.address).items():
            rounds = []
            for _ in range(ROUNDS):
                gateway.seconds.clear()
                await send()
                await _ask(gateway.address, "GET", "/healthz")  # an answer comes before its work is timed
                rounds.append(max(gateway.seconds))
            found[name] = min(rounds) * 1e3
    return found


@contextmanager
def _watched_gateway(model_server: str, model: str) -> Iterator[_Watched]:
    settings = Settings(port=0, model_server=model_server, model=model)
    server = GatewayServer(create_app(settings), settings)
    listener = listen(settings)
    listener.listen()
    seconds: list[float] = []
    run = Handle._run

    def timed(handle: Handle) -> None:
        began = time.thread_time()
        run(handle)
        if threading.current_thread() is thread:
            seconds.append(time.thread_time() - began)

    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    gc.collect()
    gc.freeze()  # as the gateway does in a process of its own
    Handle._run = timed  # type: ignore[method-assign]
    try:
        thread.start()
        yield _Watched(f"127.0.0.1:{listener.getsockname()[1]}", seconds)
    finally:
        server.should_exit = True
        thread.join()
        Handle._run = run  # type: ignore[method-assign]
        gc.unfreeze()


def _floods(address: str) -> dict[str, Callable[[], Awaitable[None]]]:
    call = {"type": "call", "turn": 0, "bars": 64, "answer_bars": 8, "notes": _notes()}
    dense = [{"pitch": 3 * n, "start": 0.0, "end": 3600.0} for n in range(33)]
    history = [{"who": "player", "bars": 1, "notes": dense}] * 120
    start = {"type": "start", "qpm": 500, "beats_per_bar": 1, "history": history}
    empty = '{"who":"player","bars":1,"notes":[]}'
    sessions = {
        "start of 27,589 turns": [_filled('{"type":"start","history":[', empty, "]}")],
        "start of 120 dense turns": [json.dumps(start)],
        "start of turns that are none": [_filled('{"type":"start","history":[', "{}", "]}")],
        "call of 4,096 notes of an hour": [_START, json.dumps(call)],
        "call of a mebibyte": [
            _START,
            _filled('{"type":"call","notes":[', '{"pitch":1,"start":0,"end":1}', "]}"),
        ],
    }
    requests = {
        "request of 4,096 notes of an hour": json.dumps({"notes": _notes(), "primer_steps": 8192}),
        "request of sixteen answers": json.dumps({"melody": [60, 62] * 256, "steps": 512, "variations": 16}),
        "request of a mebibyte of lists": _filled('{"x":[', "[]", "]}"),
    }

    async def play(frames: list[str]) -> None:
        async with websockets.connect(f"ws://{address}/v1/session", max_size=None) as session:
            for frame in frames:
                await session.send(frame)
                await session.recv()

    async def tiny_frames() -> None:
        async with websockets.connect(f"ws://{address}/v1/session") as session:
            await session.send(_START)
            await session.recv()
            session.transport.write(b"\x89\x80\0\0\0\0" * (64_000 // 6))  # pings without a payload
            await (await session.ping())

    return {
        **{name: lambda frames=frames: play(frames) for name, frames in sessions.items()},
        **{
            name: lambda body=body: _ask(address, "POST", "/v1/generate", body)
            for name, body in requests.items()
        },
        "frames of six bytes, 64 kB of them": tiny_frames,
    }


async def _ask(address: str, method: str, path: str, body: str = "") -> None:
    client = HttpClient(address, "")
    await client.send(method, path, body.encode())
    await client.close()


def _filled(head: str, item: str, tail: str) -> str:
    return head + ",".join([item] * ((_MOST_BYTES - len(head) - len(tail)) // (len(item) + 1))) + tail


def _notes() -> list[dict[str, float]]:
    """As many as a phrase may have, each to the end of an hour, and no two alike."""
    return [{"pitch": 127 - n % 128, "start": n / 1024, "end": 3600.0} for n in range(_MOST_NOTES)]
