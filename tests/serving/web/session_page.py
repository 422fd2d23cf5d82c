"""How the tests play on the session page."""

import io
import re
from pathlib import Path

import mido
from playwright.sync_api import Page, expect

TEMPO = 200  # a bar is over in 1.2 seconds: fast, and time enough to press keys on a busy machine
WAIT_MS = 30_000
AXE = Path(__file__).parents[3] / "serving" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SOME = re.compile("[1-9][0-9]*")


# A MIDI system with ports that the test plugs in: Chromium's own would need the machine's sound hardware.
MIDI_SYSTEM = """
class Port extends EventTarget {
  type = "input"; said = []; manufacturer = ""; version = ""; state = "connected"; connection = "closed";
  constructor(id, name, type) { super(); Object.assign(this, { id, name, type }); }
  send(bytes, atMs) { this.said.push([atMs, ...bytes]); }
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
  plug(id, name, type = "input") {
    const port = new Port(id, name, type);
    (type === "input" ? this.inputs : this.outputs).set(id, port);
    this.changed(port);
  }
  unplug(id) {
    const port = this.inputs.get(id) ?? this.outputs.get(id);
    this.inputs.delete(id);
    this.outputs.delete(id);
    Object.assign(port, { state: "disconnected", connection: "pending" });
    this.changed(port);
  }
}
window.midi = new Midi();
Navigator.prototype.requestMIDIAccess = async ({ sysex }) => { window.askedForSysex = sysex; return midi; };
"""


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.locator("[data-link=ready]")).to_be_visible(timeout=WAIT_MS)
    return page


def quick(page: Page) -> None:
    """One bar each, fast, and answers on the grid."""
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Kakeai's touch").select_option("Straight")
    page.keyboard.press("Escape")
    page.get_by_role("slider", name="Tempo").fill(str(TEMPO))
    for name in ("Your bars", "Kakeai's bars"):
        page.get_by_role("group", name=name).get_by_role("radio", name="1").check(force=True)


def start(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(Start|Go on)$")).click()


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop").click()


def await_phase(page: Page, phase: str) -> None:
    """Wait for a phase, looking at every frame: an expectation would look once a second, and a bar would be over."""
    look = "phase => document.querySelector('[data-testid=stage]').dataset.phase === phase"
    page.wait_for_function(look, arg=phase, timeout=WAIT_MS)


def await_notes(page: Page, who: str, count: str | re.Pattern[str]) -> None:
    expect(page.get_by_test_id("roll")).to_have_attribute(f"data-{who}-notes", count, timeout=WAIT_MS)


def exchange(page: Page, keys: str = "adg") -> None:
    """One bar of the player's and one of Kakeai's, to its end."""
    await_phase(page, "player")
    for key in keys:
        page.keyboard.press(key)
    await_phase(page, "kakeai")


def pressed(page: Page) -> list[int]:
    keys = page.locator(".key.pressed").all()
    return sorted(int(key.get_attribute("data-pitch") or -1) for key in keys)


def saved(page: Page, button: str, suffix: str) -> bytes:
    """The file that a button of the sheet "Keep and share" gives."""
    page.get_by_role("button", name="Keep and share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    page.keyboard.press("Escape")
    assert download.value.suggested_filename.endswith(suffix)
    return download.value.path().read_bytes()


def downloaded(page: Page) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(saved(page, "Download MIDI", ".mid")))


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
