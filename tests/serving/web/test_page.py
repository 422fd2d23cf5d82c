"""The session page in a real browser, against a real gateway and a real model."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import mido
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect, sync_playwright

TEMPO = 160  # a bar is over in a second and a half: fast, and time enough to press keys on a busy machine
WAIT_MS = 30_000
AXE = Path(__file__).parents[3] / "serving" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SOME = re.compile("[1-9][0-9]*")

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: install it, or set CHROMIUM to its path"
)

# A MIDI system with ports that the test plugs in: Chromium's own would need the machine's sound hardware.
MIDI_SYSTEM = """
class Port extends EventTarget {
  type = "input"; manufacturer = ""; version = ""; state = "connected"; connection = "closed";
  constructor(id, name) { super(); this.id = id; this.name = name; }
  async open() { this.connection = "open"; midi.changed(this); return this; }
  async close() { this.connection = "closed"; return this; }
  say(...bytes) {
    const event = Object.assign(new Event("midimessage"), { data: Uint8Array.from(bytes) });
    this.onmidimessage?.(event);
  }
}
class Midi extends EventTarget {
  inputs = new Map(); outputs = new Map(); sysexEnabled = false;
  changed(port) { this.onstatechange?.(Object.assign(new Event("statechange"), { port })); }
  plug(id, name) { const port = new Port(id, name); this.inputs.set(id, port); this.changed(port); }
  unplug(id) {
    const port = this.inputs.get(id);
    this.inputs.delete(id);
    Object.assign(port, { state: "disconnected", connection: "pending" });
    this.changed(port);
  }
}
window.midi = new Midi();
Navigator.prototype.requestMIDIAccess = async ({ sysex }) => { window.askedForSysex = sysex; return midi; };
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, gateway_url: str) -> Iterator[Page]:
    """A page that makes no mistakes and talks to nobody but its gateway."""
    page = context.new_page()
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).netloc))
    yield page
    assert wrong == []
    assert hosts - {""} == {urlsplit(gateway_url).netloc}  # without a host: the page's own blobs


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.locator("[data-link=ready]")).to_be_visible(timeout=WAIT_MS)
    return page


def quick(page: Page) -> None:
    """One bar each, fast."""
    page.get_by_role("slider", name="Tempo").fill(str(TEMPO))
    for name in ("Your bars", "Kakeai's bars"):
        page.get_by_role("group", name=name).get_by_role("radio", name="1").check(force=True)


def start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop").click()


def await_phase(page: Page, phase: str) -> None:
    expect(page.get_by_test_id("stage")).to_have_attribute("data-phase", phase, timeout=WAIT_MS)


def await_notes(page: Page, who: str, count: str | re.Pattern[str]) -> None:
    expect(page.get_by_test_id("roll")).to_have_attribute(f"data-{who}-notes", count, timeout=WAIT_MS)


def pressed(page: Page) -> list[int]:
    keys = page.locator(".key.pressed").all()
    return sorted(int(key.get_attribute("data-pitch") or -1) for key in keys)


def downloaded(page: Page) -> mido.MidiFile:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download MIDI").click()
    assert download.value.suggested_filename.endswith(".mid")
    return mido.MidiFile(file=io.BytesIO(download.value.path().read_bytes()))


def strokes(track: mido.MidiTrack, ticks_per_beat: int) -> list[tuple[int, float, float]]:
    """A track's notes as (pitch, start, end), in beats."""
    now, down, notes = 0, {}, []
    for message in track:
        now += message.time
        if message.type == "note_on":
            down[message.note] = now
        elif message.type == "note_off":
            notes.append((message.note, down.pop(message.note) / ticks_per_beat, now / ticks_per_beat))
    assert not down
    return notes


def test_page_plays_a_session_and_gives_it_as_midi(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    expect(page.get_by_test_id("model")).to_have_text(re.compile(r"version \d+"))
    expect(page.get_by_role("button", name="Download MIDI")).to_be_disabled()
    quick(page)
    start(page)
    await_phase(page, "countIn")
    await_phase(page, "player")
    expect(page.get_by_test_id("announcement")).to_have_text("Your turn: 1 bar.")
    for number, key in enumerate("adg", 1):
        page.keyboard.down(key)
        await_notes(page, "player", str(number))
        page.keyboard.up(key)
    await_notes(page, "kakeai", SOME)
    await_phase(page, "player")
    stop(page)
    await_phase(page, "idle")
    expect(page.get_by_role("img", name=re.compile(r"You: 3 notes\. Kakeai: \d+ notes?\."))).to_be_visible()
    answered = int(page.get_by_test_id("roll").get_attribute("data-kakeai-notes") or 0)

    midi = downloaded(page)
    conductor, *voices = midi.tracks
    tempos = [message.tempo for message in conductor if message.type == "set_tempo"]
    assert [mido.tempo2bpm(tempo) for tempo in tempos] == [pytest.approx(TEMPO)]
    provenance = [message.text for message in conductor if message.type == "text"]
    assert provenance
    for text in provenance:
        assert re.fullmatch(r"model \S+, version \d+, seed \d+, temperature 1", text)
    assert [track.name for track in voices] == ["You", "Kakeai"]
    player, kakeai = (strokes(track, midi.ticks_per_beat) for track in voices)
    assert [pitch for pitch, _, _ in player] == [60, 64, 67]
    assert all(0 <= begin < end <= 4 for _, begin, end in player)
    assert len(kakeai) == answered
    assert all(4 <= begin < end for _, begin, end in kakeai)
    on_the_grid = [begin * 4 == round(begin * 4) for _, begin, _ in kakeai]
    assert all(on_the_grid)  # sixteenths of a turn that began exactly on a beat


def test_page_keeps_a_key_that_is_held_to_the_end_of_the_turn(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    quick(page)
    start(page)
    await_phase(page, "player")
    page.keyboard.down("d")
    expect(page.locator(".key.pressed")).to_have_attribute("data-pitch", "64")
    await_notes(page, "kakeai", SOME)
    page.keyboard.up("d")
    stop(page)
    midi = downloaded(page)
    [(pitch, _, end)] = strokes(midi.tracks[1], midi.ticks_per_beat)
    assert (pitch, end) == (64, 4)


def test_page_moves_the_computer_keys_by_octaves(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    page.keyboard.down("a")
    page.keyboard.press("z")
    page.keyboard.down("s")
    page.keyboard.press("x")
    page.keyboard.down("d")
    expect(page.locator(".key.pressed")).to_have_count(3)
    assert pressed(page) == [50, 60, 64]
    for key in "asd":
        page.keyboard.up(key)
    expect(page.locator(".key.pressed")).to_have_count(0)


def test_page_goes_on_after_its_connection_broke(page: Page, gateway_url: str) -> None:
    connections: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        connections.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/v1/session$"), through)
    opened(page, gateway_url)
    quick(page)
    start(page)
    await_phase(page, "player")
    page.keyboard.press("a")
    await_notes(page, "kakeai", SOME)
    before = len(connections)
    connections[-1].close()
    expect(page.get_by_test_id("notice")).to_contain_text("The server is away", timeout=WAIT_MS)
    expect(page.locator("[data-link=ready]")).to_be_visible(timeout=WAIT_MS)
    assert len(connections) > before
    await_phase(page, "player")
    await_phase(page, "kakeai")
    stop(page)


def test_page_hears_midi_keyboards_on_all_channels_and_when_plugged_in_later(
    page: Page, gateway_url: str
) -> None:
    page.add_init_script(MIDI_SYSTEM)
    opened(page, gateway_url)
    page.evaluate("midi.plug('one', 'First keyboard')")
    page.get_by_role("button", name="Connect MIDI").click()
    expect(page.get_by_role("button", name="First keyboard")).to_be_visible()
    assert page.evaluate("askedForSysex") is False
    page.evaluate("midi.plug('two', 'Second keyboard')")
    expect(page.get_by_role("button", name="First keyboard, Second keyboard")).to_be_visible()
    page.evaluate("midi.inputs.get('one').say(0x90, 60, 100)")
    page.evaluate("midi.inputs.get('two').say(0x9f, 64, 100)")
    expect(page.locator(".key.pressed")).to_have_count(2)
    assert pressed(page) == [60, 64]
    page.evaluate("midi.inputs.get('one').say(0x90, 60, 0)")  # a note-on of velocity 0 is an off
    expect(page.locator(".key.pressed")).to_have_attribute("data-pitch", "64")
    page.evaluate("midi.unplug('two')")  # nobody will release its keys
    expect(page.locator(".key.pressed")).to_have_count(0)
    expect(page.get_by_role("button", name="First keyboard", exact=True)).to_be_visible()


def test_page_says_when_the_browser_has_no_midi(page: Page, gateway_url: str) -> None:
    page.add_init_script("delete Navigator.prototype.requestMIDIAccess")
    opened(page, gateway_url)
    page.get_by_role("button", name="Connect MIDI").click()
    expect(page.get_by_text("This browser has no Web MIDI")).to_be_visible()


def test_page_takes_several_fingers_that_slide(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, *pitches: int) -> None:
        points = []
        for finger, pitch in enumerate(pitches):
            box = page.locator(f"[data-pitch='{pitch}']").bounding_box()
            assert box
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.9
            points.append({"x": x, "y": y, "id": finger})
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 60, 67)
    expect(page.locator(".key.pressed")).to_have_count(2)
    assert pressed(page) == [60, 67]
    touch("touchMove", 62, 67)
    expect(page.locator("[data-pitch='62']")).to_have_class(re.compile("pressed"))
    assert pressed(page) == [62, 67]
    touch("touchEnd")
    expect(page.locator(".key.pressed")).to_have_count(0)


def test_page_speaks_japanese_and_remembers_it(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("button", name="開始")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="開始")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "ja")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_page_is_accessible_on_a_phone(page: Page, gateway_url: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, gateway_url)
    page.evaluate(AXE.read_text())
    for phase in ("idle", "player", "kakeai"):
        if phase == "player":
            start(page)
        await_phase(page, phase)
        found = page.evaluate("axe.run()")
        assert [(rule["id"], rule["help"]) for rule in found["violations"]] == []
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1]
    stop(page)
