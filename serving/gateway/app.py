"""The session gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from serving.gateway import problems, request_id
from serving.gateway.docs import serve_docs
from serving.gateway.gateway import Gateway
from serving.gateway.headers import SecurityHeaders
from serving.gateway.metrics import Metrics, RequestMetrics
from serving.gateway.page import serve_page
from serving.gateway.routes import generate, models, operations, predict, session
from serving.gateway.settings import Settings
from serving.gateway.strangers import authorised

_WORTH_COMPRESSING_BYTES = 1024


def create_app(settings: Settings) -> FastAPI:
    """The gateway for ``settings``; its ``state.gateway`` is there while it runs, its ``state.metrics`` always."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.gateway = Gateway(settings, metrics)
        yield
        await app.state.gateway.backend.close()

    app = FastAPI(
        title="Kakeai",
        summary="Call and response with a model: HTTP and WebSocket in, the model server's gRPC out.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.metrics = metrics
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING_BYTES)
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
    guard = [Depends(authorised)] if settings.tokens else []
    for routes in (generate, predict, models):
        app.include_router(routes.router, dependencies=guard, responses=problems.RESPONSES)
    app.include_router(session.router)
    app.include_router(operations.router, responses=problems.RESPONSES)
    serve_docs(app)
    serve_page(app, settings.page)
    return app
