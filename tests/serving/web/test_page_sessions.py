"""The session page in a real browser: what can be done with a session, and that it keeps time."""

import io
import json
import re
import wave

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from session_page import (
    MIDI_SYSTEM,
    SOME,
    TEMPO,
    WAIT_MS,
    await_notes,
    await_phase,
    downloaded,
    exchange,
    opened,
    quick,
    saved,
    start,
    stop,
    strokes,
)

LATEST_SECONDS = 0.01  # how far from its beat an answer may begin

# Every oscillator that is started: the instant of the audio clock that it is to begin at, by how much that is over
# already, and its wave. Clicks are triangles, Kakeai's pipe has a wave of its own.
STARTED = """
window.started = [];
const begin = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at = 0) {
  window.started.push([at, Math.max(0, this.context.currentTime - at), this.type]);
  return begin.call(this, at);
};
"""


def test_page_keeps_a_session_and_shares_it(page: Page, browser: Browser, gateway_url: str) -> None:
    opened(page, gateway_url)
    quick(page)
    start(page)
    exchange(page)
    await_notes(page, "kakeai", SOME)
    page.get_by_role("button", name="Again").click()
    await_phase(page, "waiting")
    await_phase(page, "kakeai")  # another answer to the same phrase
    await_phase(page, "player")
    stop(page)
    await_notes(page, "player", "3")
    before = downloaded(page)
    assert len([message for message in before.tracks[0] if message.type == "text"]) == 1  # one answer counts

    page.reload()
    opened(page, page.url)
    await_notes(page, "player", "3")
    assert [list(track) for track in downloaded(page).tracks] == [list(track) for track in before.tracks]

    with wave.open(io.BytesIO(saved(page, "Download WAV", ".wav"))) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (44_100, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, 2)
    bar = round(60 / TEMPO * 4 * 44_100)
    assert len(samples) >= 2 * bar
    first, *_ = sorted(begin for _, begin, _ in strokes(before.tracks[1], before.ticks_per_beat))
    sounding = np.flatnonzero(np.abs(samples[:, 0]) > 100)
    assert sounding[0] / 44_100 == pytest.approx(first * 60 / TEMPO, abs=0.02)

    page.get_by_role("button", name="Play back").click()
    await_phase(page, "replay")
    await_phase(page, "idle")

    page.get_by_role("button", name="Keep and share").click()
    box = page.get_by_role("textbox", name="Link to this session")
    expect(box).to_have_value(re.compile("#session="))
    link = box.input_value()
    page.keyboard.press("Escape")
    friend = browser.new_context(locale="ja-JP")
    try:
        theirs = opened(friend.new_page(), link)
        await_notes(theirs, "player", "3")
        theirs.get_by_role("button", name="通して聴く").click()
        await_phase(theirs, "replay")
    finally:
        friend.close()

    page.get_by_role("button", name="Undo").click()
    await_notes(page, "player", "0")
    expect(page.get_by_role("button", name="Keep and share")).to_be_disabled()
    opened(page, gateway_url)  # what was taken back stays so
    await_notes(page, "player", "0")


def test_answers_begin_on_their_beat(page: Page, gateway_url: str) -> None:
    page.add_init_script(STARTED)
    opened(page, gateway_url)
    quick(page)
    start(page)
    exchange(page)
    await_notes(page, "kakeai", SOME)
    exchange(page)
    stop(page)
    started = page.evaluate("started")
    clicks, notes = ([at for at, _, shape in started if shape == wanted] for wanted in ("triangle", "custom"))
    beat = 60 / TEMPO
    for grid, instants in ((beat, clicks), (beat / 4, notes)):
        steps = (np.array(instants) - clicks[0]) / grid
        assert len(steps) > 1
        assert np.abs(steps - steps.round()).max() * grid < LATEST_SECONDS
    # Where the machine has other things to do, a page can stand still for a moment: once, not in each bar.
    assert np.quantile([late for _, late, _ in started], 0.9) < LATEST_SECONDS


def test_page_hands_over_when_the_player_rests(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    quick(page)
    page.get_by_role("group", name="Your bars").get_by_role("radio", name="Free").check(force=True)
    page.get_by_label("A rest of").select_option("half a beat")
    start(page)
    exchange(page, "a")
    stop(page)
    [(pitch, _, _)] = strokes(downloaded(page).tracks[1], 480)
    assert pitch == 60


def test_page_plays_answers_on_a_synthesiser_and_hears_the_pedal(page: Page, gateway_url: str) -> None:
    page.add_init_script(MIDI_SYSTEM)
    opened(page, gateway_url)
    quick(page)
    page.evaluate("midi.plug('keys', 'Keyboard'); midi.plug('synth', 'Synthesiser', 'output')")
    page.get_by_role("button", name="Connect MIDI").click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Kakeai plays on").select_option("Synthesiser")
    page.keyboard.press("Escape")
    start(page)
    await_phase(page, "player")
    page.evaluate("midi.inputs.get('keys').say(0xb0, 64, 127)")  # the pedal goes down
    page.evaluate("midi.inputs.get('keys').say(0x95, 60, 100)")
    page.evaluate("midi.inputs.get('keys').say(0x85, 60, 0)")
    await_phase(page, "kakeai")
    expect(page.locator(".key.pressed")).to_have_attribute("data-pitch", "60")  # the pedal holds it
    page.evaluate("midi.inputs.get('keys').say(0xb0, 64, 0)")
    expect(page.locator(".key.pressed")).to_have_count(0)
    await_phase(page, "player")
    stop(page)
    midi = downloaded(page)
    [(pitch, _, end)] = strokes(midi.tracks[1], midi.ticks_per_beat)
    assert (pitch, end) == (60, 4)
    said = page.evaluate("midi.outputs.get('synth').said")
    answered = [pitch for pitch, _, _ in strokes(midi.tracks[2], midi.ticks_per_beat)]
    assert [pitch for _, status, pitch, velocity in said if status == 0x90 and velocity] == answered


def test_a_broken_link_opens_an_empty_page(page: Page, gateway_url: str) -> None:
    opened(page, f"{gateway_url}/#session=nonsense")
    await_notes(page, "player", "0")
    assert json.loads(page.evaluate("localStorage.getItem('kakeai.sessions') ?? '[]'")) == []
    expect(page.get_by_role("button", name=re.compile("^Start$"))).to_be_visible(timeout=WAIT_MS)
