"""Exceptions to problem details (RFC 9457), in one place. No client ever sees a traceback."""

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kakeai.errors import KakeaiError
from serving.gateway.api.messages import Problem
from serving.gateway.errors import GatewayError, InvalidRequest, MalformedRequest

MEDIA_TYPE = "application/problem+json"

# Parts of a location that say where FastAPI or a union looked, not what the client wrote.
_PLACES = {"body", "query", "path", "header", "start", "call", "tempo", "adopt"}

# What OpenAPI says of every route's errors.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in (("4XX", "The caller's fault."), ("5XX", "Not the caller's fault."))
}

log = logging.getLogger(__name__)


def problem_of(error: Exception) -> Problem:
    """What the client gets to know of an error."""
    match error:
        case GatewayError():
            return Problem(title=error.title, status=error.status, detail=str(error), field=error.field)
        case KakeaiError():  # music that cannot be read
            sentence = str(error)
            return problem_of(InvalidRequest(sentence[:1].upper() + sentence[1:]))
        case ValidationError():
            # The first: the others often follow from it. What was sent may be large, and no sentence has it.
            return problem_of(_in_words(error.errors(include_input=False)[0]))
        case RequestValidationError():
            return problem_of(_in_words(error.errors()[0]))
        case HTTPException():
            return Problem(title="Request failed", status=error.status_code, detail=error.detail)
        case _:
            return Problem(
                title="Internal error",
                status=500,
                detail="Something went wrong in the gateway; its log has the details.",
            )


def _in_words(error: ErrorDetails) -> GatewayError:
    """One finding of pydantic's as an error with a sentence."""
    kind, message = error["type"], error["msg"]
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return InvalidRequest("type is one of start, call, tempo and adopt.", field="type")
    if kind == "json_invalid":
        return MalformedRequest(f"This is not JSON: {message.partition(': ')[2]}.")
    field = _field(error["loc"])
    name = field or "the message"
    if kind == "missing":
        return InvalidRequest(f"{name} is missing.", field)
    if kind == "extra_forbidden":
        return InvalidRequest(f"{name} is not a field of this request.", field)
    wish = message.removeprefix("Value error, ").removeprefix("Input ")
    return InvalidRequest(f"{name} {wish[:1].lower()}{wish[1:]}.", field)


def _field(location: tuple[int | str, ...]) -> str | None:
    """A location such as ("body", "notes", 3, "pitch") as ``notes[3].pitch``."""
    parts = location[1:] if location and location[0] in _PLACES else location
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return name.removeprefix(".") or None


def problem_response(error: Exception) -> Response:
    """The problem details as an HTTP response, with the headers that the error wants."""
    problem = problem_of(error)
    headers = getattr(error, "headers", None)
    return JSONResponse(
        problem.model_dump(exclude_none=True), problem.status, headers=headers, media_type=MEDIA_TYPE
    )


class Unforeseen:
    """ASGI middleware that answers and logs whatever else goes wrong.

    Starlette would do so outside of all other middleware: without their headers, and uncounted.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an answer that has begun cannot be taken back, and its connection ends."""
        begun = False

        async def noting_begin(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting_begin if scope["type"] == "http" else send)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            log.exception("a request ended with an error")
            await problem_response(error)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Let every error of ``app`` leave as problem details, and OpenAPI know them."""

    async def handle(request: Request, error: Exception) -> Response:
        return problem_response(error)

    for kind in (KakeaiError, RequestValidationError, ValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    app.add_middleware(Unforeseen)

    def openapi() -> dict[str, Any]:
        api = FastAPI.openapi(app)
        api.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return api

    app.openapi = openapi
