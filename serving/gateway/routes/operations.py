"""GET /healthz, /readyz and /metrics: for the people and systems that operate the gateway."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.gateway.gateway import gateway_of

health = APIRouter()
readiness = APIRouter()
figures = APIRouter()


@health.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive; this says nothing about the model server."""
    return {"status": "alive"}


@readiness.get("/readyz")
async def readyz(request: Request) -> dict[str, str | int]:
    """Whether the gateway can answer a request: the default model answers, and the gateway is not shutting down.

    The state is at most a second old.
    """
    gateway = gateway_of(request)
    version = await gateway.ready_version()
    return {"status": "ready", "model": gateway.settings.model, "version": version}


@figures.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """The gateway's metrics for Prometheus."""
    # Not a coroutine: FastAPI runs it in a thread, since a text of thousands of lines would hold the event loop.
    return Response(generate_latest(gateway_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
