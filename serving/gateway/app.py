"""The session gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from kakeai.extras import MissingExtraError
from serving.gateway.api import problems
from serving.gateway.api.docs import serve_docs
from serving.gateway.gateway import Gateway
from serving.gateway.load.shedding import Shedding
from serving.gateway.routes import generate, models, operations, predict, session
from serving.gateway.routes.page import serve_page
from serving.gateway.security.access import authorised
from serving.gateway.security.headers import SecurityHeaders
from serving.gateway.settings import Settings, variable
from serving.gateway.telemetry import request_id
from serving.gateway.telemetry.loop_lag import watched_loop
from serving.gateway.telemetry.metrics import Metrics, RequestMetrics


def create_app(settings: Settings) -> FastAPI:
    """The gateway for ``settings``; its ``state.gateway`` is there while it runs, its ``state.metrics`` always."""
    metrics = Metrics()
    interceptors: list[grpc.aio.ClientInterceptor] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.gateway = Gateway(settings, metrics, interceptors)
        async with watched_loop(metrics.loop_lag):
            yield
        await app.state.gateway.close()

    app = FastAPI(
        title="Kakeai",
        summary="Call and response with a model: HTTP and WebSocket in, the model server's gRPC out.",
        lifespan=lifespan,
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
    )
    app.state.metrics = metrics
    problems.install(app)
    app.add_middleware(Shedding)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", request_id.HEADER],
            expose_headers=[
                generate.TAKES_HEADER,
                generate.POLYPHONIC_HEADER,
                request_id.HEADER,
                "Retry-After",
            ],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics, metrics=metrics, log=settings.log_requests)
    app.add_middleware(request_id.RequestId)
    if settings.traces is not None:
        interceptors.append(_trace(app, settings.traces))
    guard = [Depends(authorised)] if settings.tokens else []
    guarded = [generate.router, predict.router, models.router]
    open_to_all = [operations.health]
    if settings.operations_port is None:
        guarded.append(operations.figures)
        open_to_all.append(operations.readiness)
    for router in guarded:
        app.include_router(router, dependencies=guard, responses=problems.RESPONSES)
    app.include_router(session.router)
    for router in open_to_all:
        app.include_router(router, responses=problems.RESPONSES)
    serve_docs(app, of=app, dependencies=guard)
    serve_page(app, settings.page)
    return app


def _trace(app: FastAPI, endpoint: str) -> grpc.aio.ClientInterceptor:
    """Trace an application's requests, and with the returned interceptor its calls. Raises MissingExtraError."""
    try:
        from serving.gateway.telemetry.traces import CallTraces, RequestTraces, open_traces
    except ModuleNotFoundError:
        raise MissingExtraError(variable("traces"), "traces") from None
    provider = open_traces(endpoint)
    app.add_middleware(RequestTraces, provider=provider)
    return CallTraces(provider)
