"""Whether the default model answers, asked at most once a second however many probes there are."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from serving.gateway.errors import GatewayError

FRESH_SECONDS = 1.0


class Readiness:
    """Keeps the last result for ``FRESH_SECONDS``; probes that arrive during a check share its result."""

    def __init__(self, check: Callable[[], Awaitable[int]]) -> None:
        """``check`` returns the version that answers, or raises a GatewayError."""
        self._check = check
        self._checking = asyncio.Lock()
        self._checked_at = -FRESH_SECONDS
        self._result: int | GatewayError = 0

    async def version(self) -> int:
        """Return the version that answers. Raises the GatewayError of the last check if there is none."""
        async with self._checking:
            if time.monotonic() - self._checked_at >= FRESH_SECONDS:
                try:
                    self._result = await self._check()
                except GatewayError as error:
                    self._result = error
                self._checked_at = time.monotonic()
        if isinstance(self._result, GatewayError):
            raise self._result.with_traceback(None)
        return self._result
