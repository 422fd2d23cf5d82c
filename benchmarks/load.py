"""Load on a server: closed loops, open loops, and how long the answers took."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

OK = "ok"

Ask = Callable[[int], Awaitable[str]]  # sends the request of that number; OK, or what was said instead


class Answer(NamedTuple):
    """One request's fate: `seconds` count from when it was meant to be sent, so that no wait is left out."""

    said: str
    seconds: float


class Load(NamedTuple):
    """What came of a load that lasted `seconds`."""

    answers: list[Answer]
    seconds: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return sum(answer.said == OK for answer in self.answers) / self.seconds

    def milliseconds(self, percent: float, ok: bool = True) -> float:
        """Percentile of the time that good answers took, or all others; nan if there were none."""
        times = [answer.seconds for answer in self.answers if (answer.said == OK) is ok]
        return float(np.percentile(times, percent)) * 1e3 if times else float("nan")

    def refused(self) -> Counter[str]:
        """How often what was said instead of an answer."""
        return Counter(answer.said for answer in self.answers if answer.said != OK)


def joined(loads: Iterable[Load]) -> Load:
    """Several, one after the other, as one."""
    loads = list(loads)
    answers = [answer for load in loads for answer in load.answers]
    return Load(answers, sum(load.seconds for load in loads))


async def closed_loop(ask: Ask, clients: int, seconds: float) -> Load:
    """`clients` clients, each of which asks again as soon as it has its answer."""
    answers: list[Answer] = []

    async def client(number: int) -> None:
        while (asked := time.perf_counter()) < began + seconds:
            said = await ask(number)
            answers.append(Answer(said, time.perf_counter() - asked))
            number += clients

    with _undisturbed():
        began = time.perf_counter()
        await asyncio.gather(*map(client, range(clients)))
    return Load(answers, time.perf_counter() - began)


async def open_loop(ask: Ask, rate: float, seconds: float) -> Load:
    """`rate` requests a second, evenly spaced, however long the answers take."""

    async def one(number: int, due: float) -> Answer:
        said = await ask(number)
        return Answer(said, time.perf_counter() - due)

    with _undisturbed():
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(int(rate * seconds)):
                due = began + number / rate
                if (ahead := due - time.perf_counter()) > 0:
                    await asyncio.sleep(ahead)
                tasks.append(group.create_task(one(number, due)))
        seconds = time.perf_counter() - began
    return Load([task.result() for task in tasks], seconds)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Python's collector away: it would stop all clients for 0.2 s, as if the server had answered late."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
