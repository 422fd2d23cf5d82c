"""The session gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from serving.gateway import problems
from serving.gateway.admission import Admission
from serving.gateway.backend import Backend
from serving.gateway.cards import Cards
from serving.gateway.docs import serve_docs
from serving.gateway.gateway import Gateway
from serving.gateway.headers import SecurityHeaders
from serving.gateway.metrics import Metrics, RequestMetrics
from serving.gateway.page import serve_page
from serving.gateway.routes import generate, models, operations, predict, session
from serving.gateway.settings import Settings

_WORTH_COMPRESSING_BYTES = 1024


def create_app(settings: Settings) -> FastAPI:
    """The gateway for ``settings``; its ``state.gateway`` is there while it runs."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend = Backend(settings.model_server, settings.predict_seconds, settings.status_seconds, metrics)
        app.state.gateway = Gateway(
            settings=settings,
            metrics=metrics,
            backend=backend,
            cards=Cards(settings.store, settings.status_seconds),
            answers=Admission(settings.max_answers, "places for answers"),
            sessions=Admission(settings.max_sessions, "places for sessions"),
        )
        yield
        await backend.close()

    app = FastAPI(
        title="Kakeai",
        summary="Call and response with a model: HTTP and WebSocket in, the model server's gRPC out.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(GZipMiddleware, minimum_size=_WORTH_COMPRESSING_BYTES)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics, metrics=metrics, log=settings.log_requests)
    for routes in (generate, session, predict, models, operations):
        app.include_router(routes.router)
    serve_docs(app)
    serve_page(app, settings.page)
    return app
