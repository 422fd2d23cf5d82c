"""Request bodies: bounded in size and time."""

import asyncio

from starlette.requests import Request

from serving.gateway.errors import RequestTooLarge, RequestTooSlow
from serving.gateway.settings import Settings


async def read_body(request: Request, settings: Settings) -> bytes:
    """The whole body. Raises RequestTooLarge or RequestTooSlow at the limits, without reading on."""
    limit = settings.max_body_bytes
    too_large = RequestTooLarge(f"The body may have {limit} bytes.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(settings.request_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestTooSlow(
            f"The body did not arrive within {settings.request_seconds:g} seconds."
        ) from None
    return bytes(body)
