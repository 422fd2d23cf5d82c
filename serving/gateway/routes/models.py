"""GET /v1/models: what is served, and its cards."""

import asyncio

from fastapi import APIRouter, Request

from serving.gateway.api.messages import Model, Models
from serving.gateway.backend.model_server import AVAILABLE
from serving.gateway.errors import ModelNotFound
from serving.gateway.gateway import Gateway, gateway_of

router = APIRouter()


@router.get("/v1/models")
async def models(request: Request) -> Models:
    """The served models, the default one first, each with the card of the version that answers."""
    gateway = gateway_of(request)
    default = gateway.settings.model
    others = [name for name in await gateway.cards.models() if name != default]
    found = await asyncio.gather(*(_model(gateway, name) for name in [default, *others]))
    return Models(models=[model for model in found if model is not None])


async def _model(gateway: Gateway, name: str) -> Model | None:
    """One model, or None if the model server has not heard of it (it cannot list its models itself)."""
    try:
        versions = await gateway.model_server.versions(name)
    except ModelNotFound:
        return None
    answering = next((version.version for version in versions if version.state == AVAILABLE), None)
    card = None if answering is None else await gateway.cards.card(name, answering)
    return Model(name=name, default=name == gateway.settings.model, versions=versions, card=card)
