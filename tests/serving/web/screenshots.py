"""`make screenshots`: the docs' pictures of the session page, of a real session with the model in a store."""

import base64
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright
from session_page import MIDI_SYSTEM, await_phase, opened

DOCS = Path(__file__).parents[3] / "docs"
HERO = DOCS / "session.png"
PICTURES = DOCS / "session"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WEBP_QUALITY = 80
LAPTOP, PHONE, SIDEWAYS = (1280, 800), (390, 844), (844, 390)

SETTLE_MS = 400  # for what fades
BEAT_MS = 60_000 / 110  # at the page's usual tempo
# A dance tune's first bars: (pitch, start, length) in beats, and how hard each note is struck.
CALL = [(62, 0, 0.9), (64, 1, 0.45), (65, 1.5, 0.45), (69, 2, 1.4), (67, 3.5, 0.45)]
ANSWERED = [*CALL, (65, 4, 0.9), (64, 5, 0.45), (62, 5.5, 0.45), (60, 6, 0.9), (62, 7, 0.9)]
PLAY = """
([tune, beatMs]) => {
  const say = (...bytes) => midi.inputs.get("keys").say(...bytes);
  for (const [pitch, start, length] of tune) {
    setTimeout(() => say(0x90, pitch, 84), start * beatMs);
    setTimeout(() => say(0x80, pitch, 0), (start + length) * beatMs);
  }
}
"""


class Visit:
    """A player's visit: from the first look to the settings, with pictures of what was asked for."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        name: str,
        screen: tuple[int, int],
        scheme: Literal["dark", "light"],
        locale: str = "en-GB",
    ) -> None:
        is_phone = screen != LAPTOP
        context = browser.new_context(
            viewport={"width": screen[0], "height": screen[1]},
            color_scheme=scheme,
            locale=locale,
            has_touch=is_phone,
            is_mobile=is_phone,
        )
        self.page: Page = context.new_page()
        self.page.add_init_script(MIDI_SYSTEM)
        self._name, self._screen = name, screen
        opened(self.page, url)
        self.page.evaluate("midi.plug('keys', 'Stage piano'); document.fonts.ready")

    def picture(self, state: str) -> None:
        """Take a picture of what is there now."""
        devtools = self.page.context.new_cdp_session(self.page)
        width, height = self._screen
        top = self.page.evaluate("scrollY")
        clip = {
            "x": 0,
            "y": top,
            "width": width,
            "height": height,
            "scale": 1 if self._screen == LAPTOP else 2,
        }
        how = {"format": "webp", "quality": WEBP_QUALITY, "clip": clip}
        shot = devtools.send("Page.captureScreenshot", how)
        (PICTURES / f"{self._name}-{state}.webp").write_bytes(base64.b64decode(shot["data"]))

    def start(self) -> None:
        """Begin, on a MIDI keyboard."""
        self.page.locator(".midi").click()
        self.page.locator(".start").click()

    def play(self, tune: list[tuple[int, float, float]], beats: float) -> None:
        """Play in the player's turn, and wait for so many beats."""
        await_phase(self.page, "player")
        self.page.evaluate(PLAY, [tune, BEAT_MS])
        self.page.wait_for_timeout(beats * BEAT_MS)

    def listen(self, beats: float) -> None:
        """Hear so many beats of the answer."""
        await_phase(self.page, "kakeai")
        self.page.wait_for_timeout(beats * BEAT_MS)

    def stop(self) -> None:
        self.page.locator(".start").click()
        await_phase(self.page, "idle")
        self.page.wait_for_timeout(SETTLE_MS)

    def sheet(self, number: int, state: str) -> None:
        """A picture of one of the sheets: keep, past, settings."""
        self.page.locator("button[aria-haspopup=dialog]").nth(number).click()
        self.page.wait_for_timeout(SETTLE_MS)
        self.picture(state)
        self.page.keyboard.press("Escape")


def take_all(browser: Browser, url: str) -> None:
    """Every picture that the docs show."""
    visit = Visit(browser, url, "laptop-dark", LAPTOP, "dark")
    visit.start()
    visit.play(ANSWERED, 5)
    visit.picture("your-turn")
    visit.listen(3)
    visit.page.screenshot(path=HERO)
    visit.play(CALL, 0)
    visit.listen(7)
    visit.stop()
    visit.sheet(0, "keep")

    visit = Visit(browser, url, "laptop-light", LAPTOP, "light")
    visit.picture("first-visit")
    visit.start()
    for _ in range(2):
        visit.play(ANSWERED, 8)
        visit.listen(7.5)
    visit.stop()
    visit.picture("after")
    visit.sheet(2, "settings")

    visit = Visit(browser, url, "phone-dark", PHONE, "dark")
    visit.start()
    visit.play(ANSWERED, 5)
    visit.picture("your-turn")

    visit = Visit(browser, url, "phone-light", PHONE, "light", "ja-JP")
    visit.start()
    visit.play(ANSWERED, 8)
    visit.listen(3)
    visit.picture("kakeai-plays")

    visit = Visit(browser, url, "phone-sideways", SIDEWAYS, "dark")
    visit.start()
    visit.play(ANSWERED, 8)
    visit.listen(3)
    visit.picture("kakeai-plays")


@contextmanager
def served(store: str) -> Iterator[str]:
    """A gateway and a model server over a store, at the address that is given."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("kakeai")), "serve", "--store", store, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            for line in serving.stdout:
                if "Play at" in line:
                    break
            yield f"http://localhost:{port}"
        finally:
            serving.terminate()


def main(store: str) -> None:
    """Take the pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    with served(store) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take_all(browser, url)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
