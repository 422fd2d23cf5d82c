"""A name for each request, from the client through the log to the model server's metadata."""

import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
METADATA = HEADER.lower()  # gRPC wants its metadata keys in small letters

# What may stand in a header, a log line and a metadata value without a thought.
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestId:
    """ASGI middleware that takes over the client's request id, or makes one, and tells it in the response."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its name."""
        if scope["type"] not in {"http", "websocket"}:
            return await self.app(scope, receive, send)
        theirs = Headers(scope=scope).get(HEADER, "")
        name = theirs if _USABLE.fullmatch(theirs) else secrets.token_hex(8)
        request_id.set(name)

        async def with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        await self.app(scope, receive, with_name)
