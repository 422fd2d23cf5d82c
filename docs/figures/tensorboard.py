"""TensorBoard as it shows a training, as a picture."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

WIDTH, HEIGHT = 1180, 640
READY_SECONDS = 60


def picture(runs: Path, name: str, file: Path) -> None:
    """Write what TensorBoard shows of the training `name` in the folder `runs`, a PNG file."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", name, "--port", str(port)]
    with subprocess.Popen(command, cwd=runs, stderr=subprocess.DEVNULL) as serving:
        try:
            with sync_playwright() as playwright:
                chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
                _wait_for(address, serving)
                page.goto(f"{address}?darkMode=false#scalars")
                page.locator("text=tag: loss").wait_for()
                page.locator("path.line").nth(1).or_(page.locator("svg path").nth(1)).first.wait_for(
                    state="attached"
                )
                page.wait_for_load_state("networkidle")
                page.screenshot(path=file, animations="disabled")
        finally:
            serving.terminate()


def _wait_for(address: str, serving: subprocess.Popen[bytes]) -> None:
    import time

    deadline = time.monotonic() + READY_SECONDS
    while serving.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("TensorBoard did not answer")
