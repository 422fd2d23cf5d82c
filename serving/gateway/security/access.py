"""Who may use the gateway: clients with a known token, and pages of allowed origins."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from serving.gateway.errors import ForeignOrigin, Unauthorized
from serving.gateway.gateway import gateway_of
from serving.gateway.security.tokens import is_known
from serving.gateway.settings import Settings

PROTOCOL = "kakeai"
BEARER_PROTOCOL = "bearer."  # + the token: a browser's only way to send one with a WebSocket

_bearer = HTTPBearer(auto_error=False, description="A token whose SHA-256 is in KAKEAI_TOKENS.")


def check_token(connection: HTTPConnection, settings: Settings) -> None:
    """Raise Unauthorized if tokens are asked for and this is none of them."""
    if settings.tokens and not is_known(_token(connection), settings.tokens):
        raise Unauthorized("Send a token that this gateway knows, as Authorization: Bearer TOKEN.")


async def authorised(request: Request, _: Annotated[object, Security(_bearer)]) -> None:
    """``check_token`` as a route's dependency, which OpenAPI tells of."""
    check_token(request, gateway_of(request).settings)


def check_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Raise ForeignOrigin for a page of another site that is not allowed. Programs name no origin."""
    origin = connection.headers.get("origin")
    if origin is None or not {origin, "*"}.isdisjoint(settings.origins):
        return
    if urlsplit(origin).netloc != connection.headers.get("host"):
        raise ForeignOrigin("Pages of this origin may not open sessions here.", field="Origin")


def subprotocol(websocket: WebSocket) -> str | None:
    """The protocol to accept a socket with, if its client offers any that is ours."""
    return PROTOCOL if PROTOCOL in websocket.scope.get("subprotocols", []) else None


def _token(connection: HTTPConnection) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offered in connection.scope.get("subprotocols", []):
        if offered.startswith(BEARER_PROTOCOL):
            return offered.removeprefix(BEARER_PROTOCOL)
    return ""
