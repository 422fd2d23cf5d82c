"""How late the event loop is: while one piece of work holds it, nobody else is served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import Histogram

LOOK_SECONDS = 0.05  # a shorter stop may fall between two looks


@asynccontextmanager
async def watched_loop(lag: Histogram) -> AsyncIterator[None]:
    """Observe in ``lag``, twenty times a second, how many seconds after its time a timer of this loop goes off."""
    watching = asyncio.create_task(_watch(lag))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(lag: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        lag.observe(max(0.0, loop.time() - due))
