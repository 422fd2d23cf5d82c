"""A browser before a server of ours that has just been started."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

READY_SECONDS = 120


@contextmanager
def open_page(address: str, width: int, height: int, serving: subprocess.Popen[bytes]) -> "Iterator[Page]":
    """Open an address as soon as it answers, on a sheet of `width` by `height` pixels."""
    from playwright.sync_api import sync_playwright

    _wait_for(address, serving)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        yield page
        browser.close()


def _wait_for(address: str, serving: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while serving.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"nothing answers at {address}")
