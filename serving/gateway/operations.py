"""A port of its own for operators: readiness, metrics and the API's documentation, without a token."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.gateway.api import problems
from serving.gateway.api.docs import serve_docs
from serving.gateway.routes import operations
from serving.gateway.security.headers import SecurityHeaders
from serving.gateway.telemetry.metrics import RequestMetrics
from serving.gateway.telemetry.request_id import RequestId


def operations_app(gateway_app: FastAPI, log_requests: bool) -> FastAPI:
    """Return the application for the operations port of the gateway that ``gateway_app`` serves."""
    app = FastAPI(title="Kakeai: operations", docs_url=None, redoc_url=None, openapi_url=None)
    app.state = gateway_app.state
    problems.install(app)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics, metrics=gateway_app.state.metrics, log=log_requests)
    app.add_middleware(RequestId)
    for router in (operations.health, operations.readiness, operations.figures):
        app.include_router(router)
    serve_docs(app, of=gateway_app)
    return app


class ByPort:
    """ASGI application that passes what arrives at the operations port to one application, the rest to another."""

    def __init__(self, app: ASGIApp, operations: ASGIApp, operations_port: int) -> None:
        """Pass requests at ``operations_port`` to ``operations``, all others and the lifespan to ``app``."""
        self._app = app
        self._operations = operations
        self._operations_port = operations_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. The port is the socket's own, so no header can change it."""
        at_operations = scope["type"] != "lifespan" and scope["server"][1] == self._operations_port
        await (self._operations if at_operations else self._app)(scope, receive, send)
