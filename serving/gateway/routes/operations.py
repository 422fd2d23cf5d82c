"""GET /healthz, /readyz and /metrics: for whoever runs the gateway."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.gateway.gateway import gateway_of

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive; it says nothing about the model server."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> dict[str, str | int]:
    """Whether a request would be answered now: the default model answers, and nobody said stop."""
    gateway = gateway_of(request)
    version = await gateway.ready_version()
    return {"status": "ready", "model": gateway.settings.model, "version": version}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """The gateway's figures for Prometheus."""
    # No coroutine: FastAPI runs it beside the event loop, which a text of thousands of lines would hold up.
    return Response(generate_latest(gateway_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)
