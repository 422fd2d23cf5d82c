"""The built session page, served from its folder."""

import os
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

_WORTH_COMPRESSING_BYTES = 1024
_HASHED = "assets"  # Vite puts files there whose names change with their content
_NOT_BUILT = (
    "The session page is not built. Run `make page` and reload. The API works without it: see /docs.\n"
)


class Page(StaticFiles):
    """The page's files: browsers keep those with a hash in their name and check all others each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file's response with its caching rule."""
        response = await super().get_response(path, scope)
        hashed = path.split(os.sep, 1)[0] == _HASHED
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def serve_page(app: FastAPI, folder: Path) -> None:
    """Serve the page in ``folder`` under /, or say how to build it for as long as it is not there."""
    files = Page(directory=folder, html=True, check_dir=False)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        if not (folder / "index.html").is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        return await files.get_response("index.html", request.scope)

    # Answers are small, and compressing one takes a tenth of its time: this is for the page alone.
    app.mount("/", GZipMiddleware(files, minimum_size=_WORTH_COMPRESSING_BYTES))
