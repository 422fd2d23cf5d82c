"""Hedging: a slow call is made a second time, and the first success counts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def first_success(ask: Callable[[], Awaitable[T]], patience_seconds: float) -> T:
    """The first result of a call and, where that takes longer than ``patience_seconds``, of a second one.

    A call that fails while the other is under way does not count. Once all have failed, the last error is raised.
    A call still under way in the end is cancelled.
    """
    calls = [asyncio.ensure_future(ask())]
    under_way = set(calls)
    try:
        done, _ = await asyncio.wait(calls, timeout=patience_seconds)
        if not done:
            calls.append(asyncio.ensure_future(ask()))
            under_way.add(calls[1])
        while True:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            ended = sorted(done, key=lambda call: call.exception() is not None)  # a success first
            if ended[0].exception() is None or not under_way:
                return ended[0].result()
    finally:
        for call in calls:
            call.cancel()
