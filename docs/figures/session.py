"""A session on the page, as a picture: a phrase is played on the computer's keys, and Kakeai answers."""

import socket
import subprocess
from pathlib import Path

from docs.figures.browser import open_page
from docs.figures.trainings import KAKEAI

PHRASE = "adgkjhgfd"  # the centre row: C4 E4 G4 C5 B4 A4 G4 F4 E4
KEY_MILLISECONDS = 360
READY_MILLISECONDS = 60_000
INTO_THE_ANSWER_MILLISECONDS = 2_600
WIDTH, HEIGHT = 1280, 800


def picture(bundle: Path, file: Path) -> None:
    """Write what the page shows while a bundle's model answers, a PNG file; the page must be built (`make page`)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([KAKEAI, "serve", "--bundle", bundle, "--port", str(port)]) as serving:
        try:
            with open_page(f"http://127.0.0.1:{port}/", WIDTH, HEIGHT, serving) as page:
                page.locator("[data-link=ready]").wait_for(timeout=READY_MILLISECONDS)
                page.get_by_role("button", name="Start").first.click()
                page.get_by_text("Your turn").first.wait_for(timeout=READY_MILLISECONDS)
                for key in PHRASE:
                    page.keyboard.press(key, delay=KEY_MILLISECONDS)
                page.get_by_text("Kakeai plays").first.wait_for(timeout=READY_MILLISECONDS)
                page.wait_for_timeout(INTO_THE_ANSWER_MILLISECONDS)
                page.screenshot(path=file)
        finally:
            serving.terminate()
