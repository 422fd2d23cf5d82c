"""The session page is for everyone: no state of it, in either language, hides anything from anybody."""

import re

from playwright.sync_api import Page, ViewportSize, WebSocketRoute, expect
from session_page import AXE, MIDI_SYSTEM, await_notes, await_phase, opened, quick, start, stop

PHONE: ViewportSize = {"width": 360, "height": 740}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}


class Inspector:
    """Looks at one page with axe: dark, in English, on a phone; and light, in Japanese, on a laptop."""

    def __init__(self, page: Page) -> None:
        page.evaluate(AXE.read_text())
        self._page = page

    def look(self, state: str) -> None:
        for screen, scheme, language in ((PHONE, "dark", "en"), (LAPTOP, "light", "ja")):
            self._page.set_viewport_size(screen)
            self._page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self._page.evaluate(
                "lang => document.querySelector(`.languages [lang=${lang}]`).click()", language
            )
            found = self._page.evaluate("axe.run()")["violations"]
            wrong = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]
            assert (state, language, wrong) == (state, language, [])
            wide, width = self._page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert wide <= width, state


def test_page_is_accessible_in_every_state(page: Page, gateway_url: str) -> None:
    sockets: list[WebSocketRoute] = []
    is_away = False

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if is_away:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/v1/session$"), through)
    opened(page, gateway_url)
    quick(page)
    inspector = Inspector(page)
    inspector.look("first visit")
    page.evaluate("delete Navigator.prototype.requestMIDIAccess")
    page.locator(".midi").click()
    inspector.look("no Web MIDI")
    page.evaluate(f"() => {{ {MIDI_SYSTEM} }}")
    page.evaluate("midi.plug('keys', 'Keyboard'); midi.plug('synth', 'Synthesiser', 'output')")
    page.locator(".midi").click()

    page.locator(".start").click()
    for phase in ("countIn", "player", "kakeai"):
        await_phase(page, phase)
        if phase == "player":
            page.keyboard.press("a")
        inspector.look(phase)
    sockets[-1].send('{"type": "error", "title": "Fault", "status": 502, "detail": "The model broke."}')
    expect(page.get_by_test_id("notice")).to_contain_text("The model broke.")
    inspector.look("problem")
    is_away = True
    sockets[-1].close()
    await_phase(page, "waiting")
    expect(page.get_by_test_id("notice")).to_contain_text(re.compile("server is away|つなぎ直しています"))
    inspector.look("away and late")
    page.locator(".start").click()
    await_phase(page, "idle")
    inspector.look("after a session")
    for sheet in page.locator("button[aria-haspopup=dialog]").all():
        sheet.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        inspector.look("a sheet")
        page.keyboard.press("Escape")
    page.get_by_role("button", name="通して聴く").click()
    await_phase(page, "replay")
    inspector.look("replay")


def test_page_has_room_for_everything_on_small_screens(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    sizes: list[ViewportSize] = [
        {"width": 320, "height": 640},
        PHONE,
        {"width": 740, "height": 360},
        {"width": 820, "height": 1180},
    ]
    for size in sizes:
        page.set_viewport_size(size)
        for button in ("Start", "Settings", "Octave up"):
            target = page.get_by_role("button", name=button)
            target.scroll_into_view_if_needed()
            expect(target).to_be_in_viewport(ratio=1)
            target.click(trial=True)  # nothing lies over it
        expect(page.locator("[data-pitch='60']")).to_be_in_viewport()
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= screen


def test_page_moves_little_where_motion_is_not_wanted(page: Page, gateway_url: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    opened(page, gateway_url)
    start(page)
    await_phase(page, "player")
    page.keyboard.press("a")
    await_notes(page, "player", "1")
    moving = page.evaluate("document.getAnimations().length")
    durations = page.evaluate(
        "[...document.querySelectorAll('*')].map(each => getComputedStyle(each).transitionDuration)"
    )
    stop(page)
    assert moving == 0
    assert set(durations) == {"0s"}
