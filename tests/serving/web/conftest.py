"""The session page, opened in a real browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from gateway_process import GatewayProcess
from playwright.sync_api import Browser, BrowserContext, Page
from session_page import WAIT_MS
from stand_in import StandIn

if TYPE_CHECKING:
    from tests.conftest import Trained

# What a browser says by itself about a gateway that is not there, or full, or lets nobody in without a token.
UNREACHED = re.compile("ERR_CONNECTION_REFUSED|WebSocket connection to .* failed|status of (401|503)")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@contextmanager
def watched(context: BrowserContext, url: str, but: re.Pattern[str] | None = None) -> Iterator[Page]:
    """A page that makes no mistakes, or only those that match ``but``, and talks to nobody but its gateway."""
    page = context.new_page()
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    yield page
    assert [text for text in wrong if not (but and but.search(text))] == []
    assert hosts - {""} == {urlsplit(url).netloc}  # without a host: the page's own blobs


@pytest.fixture
def page(context: BrowserContext, gateway_url: str) -> Iterator[Page]:
    """A page at the gateway that all tests share."""
    with watched(context, gateway_url) as page:
        yield page


@pytest.fixture
def page_at(context: BrowserContext) -> Callable[[GatewayProcess], AbstractContextManager[Page]]:
    """Open a page at a gateway that may be away at times."""
    return lambda gateway: watched(context, gateway.url, UNREACHED)


@pytest.fixture
def gateway() -> Iterator[Callable[..., GatewayProcess]]:
    """Start a gateway of a test's own, with its settings."""
    gateways: list[GatewayProcess] = []

    def start(**settings: object) -> GatewayProcess:
        gateways.append(GatewayProcess(**settings))
        gateways[-1].start()
        return gateways[-1]

    yield start
    for gateway in gateways:
        gateway.kill()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A model server that answers when it is let."""
    model = StandIn()
    model.reset()
    server, model.address = model.serve()
    yield model
    model.may_answer.set()
    server.stop(None).wait()


@pytest.fixture(scope="module")
def two_models(trained: "Trained", tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real model server of two models, `kakeai` and `reels`: its address, and its store."""
    from serving.model_server.config import All, ServedModel
    from serving.model_server.server import ModelServer

    store = tmp_path_factory.mktemp("two") / "store"
    names = ("kakeai", "reels")
    for name in names:
        shutil.copytree(trained.store / "kakeai" / "1", store / name / "1")
    served = [ServedModel(name, store / name, All()) for name in names]
    with ModelServer(served, poll_seconds=0.05) as server:
        for name in names:
            server.wait_until_available(name, WAIT_MS / 1000)
        yield f"127.0.0.1:{server.port}", store
