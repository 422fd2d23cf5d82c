"""Turning requests away before anything is read of them: what cannot be answered now must cost next to nothing."""

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.gateway.api.problems import problem_response
from serving.gateway.errors import Overloaded, TooMany

_ASKING = {"/v1/generate", "/predict"}  # paths whose POST asks for an answer


class Shedding:
    """ASGI middleware that says 503 or 429 at once to whoever asks for an answer while there is no place."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, if there is a place for it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _ASKING:
            try:
                client = scope["client"]
                scope["app"].state.gateway.answers.check(client[0] if client else None)
            except (Overloaded, TooMany) as error:
                scope["route"] = Route(scope["path"], self)
                return await problem_response(error)(scope, receive, send)
        await self.app(scope, receive, send)
