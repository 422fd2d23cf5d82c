"""The session page in a real browser, against a real gateway and a real model: playing."""

import re

import mido
import pytest
from playwright.sync_api import Page, expect
from session_page import (
    MIDI_SYSTEM,
    SOME,
    TEMPO,
    await_notes,
    await_phase,
    downloaded,
    opened,
    pressed,
    quick,
    start,
    stop,
    strokes,
)

from serving.gateway.play.dynamics import MAX_SHIFT


def test_page_plays_a_session_and_gives_it_as_midi(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    expect(page.get_by_test_id("model")).to_have_text(re.compile(r"version \d+"))
    expect(page.get_by_role("button", name="Keep and share")).to_be_disabled()
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
    beside_the_grid = [abs(begin * 4 - round(begin * 4)) for _, begin, _ in kakeai]
    # Sixteenths of a turn that began exactly on a beat, each as far beside its place as the player was there.
    assert max(beside_the_grid, default=0) <= MAX_SHIFT + 0.01


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


def test_page_hears_one_keyboard_alone_for_as_long_as_it_is_there(page: Page, gateway_url: str) -> None:
    page.add_init_script(MIDI_SYSTEM)
    opened(page, gateway_url)
    page.evaluate(
        "midi.plug('one', 'First'); midi.plug('two', 'Second'); midi.plug('out', 'Synth', 'output')"
    )
    page.get_by_role("button", name="Connect MIDI").click()
    page.get_by_role("button", name="Settings").click()
    keyboard, output = (page.get_by_role("combobox", name=name) for name in ("Keyboard", "Kakeai plays on"))
    keyboard.select_option("First")
    output.select_option("Synth")
    page.evaluate("midi.inputs.get('two').say(0x90, 64, 100); midi.inputs.get('one').say(0x90, 60, 100)")
    expect(page.locator(".key.pressed")).to_have_count(1)
    assert pressed(page) == [60]
    page.evaluate("midi.unplug('one'); midi.unplug('out')")  # what is left plays on
    expect(keyboard).to_have_value("")
    expect(output).to_have_value("")
    page.evaluate("midi.inputs.get('two').say(0x90, 65, 100)")
    expect(page.locator(".key.pressed")).to_have_attribute("data-pitch", "65")


def test_page_says_when_midi_was_refused_and_asks_again(page: Page, gateway_url: str) -> None:
    # A browser that asks the player before it gives MIDI to a page, and no player who says yes.
    opened(page, gateway_url)
    connect = page.get_by_role("button", name="Connect MIDI")
    connect.click()
    expect(page.get_by_text("MIDI was not allowed. Allow it in the browser's site settings")).to_be_visible()
    page.evaluate(f"() => {{ {MIDI_SYSTEM} }}")
    page.evaluate("midi.plug('one', 'Stage piano')")
    connect.click()
    expect(page.get_by_role("button", name="Stage piano")).to_be_visible()
    expect(page.get_by_text("MIDI was not allowed")).to_be_hidden()


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
    expect(page.get_by_role("button", name="スタート")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="スタート")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "ja")


def test_page_remembers_what_the_player_set(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    page.get_by_role("slider", name="Tempo").fill("141")
    page.get_by_role("slider", name="Adventurous").fill("1.3")
    page.get_by_role("group", name="Your bars").get_by_role("radio", name="Free").check(force=True)
    page.get_by_label("A rest of").select_option("2 beats")
    page.get_by_role("group", name="Kakeai's bars").get_by_role("radio", name="4").check(force=True)
    page.get_by_role("switch", name="Metronome").uncheck()
    page.get_by_role("button", name="Settings").click()
    chosen = {
        "Your sound": "glass",
        "Kakeai's sound": "electric",
        "Kakeai's touch": "flat",
        "Metre": "3",
        "Colours": "light",
        "Language": "ja",
    }
    for label, value in chosen.items():
        page.get_by_role("combobox", name=label).select_option(value=value)
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("body")).to_have_css("background-color", "rgb(244, 239, 229)")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("slider", name="Tempo")).to_have_value("141")
    expect(page.get_by_role("slider", name="Adventurous")).to_have_value("1.3")
    expect(page.get_by_role("group", name="Your bars").get_by_role("radio", name="Free")).to_be_checked()
    expect(page.get_by_label("A rest of")).to_have_value("2")
    expect(page.get_by_role("group", name="Kakeai's bars").get_by_role("radio", name="4")).to_be_checked()
    expect(page.get_by_role("switch", name="Metronome")).not_to_be_checked()
    page.get_by_role("button", name="Settings").click()
    for label, value in (chosen | {"Language": "en"}).items():
        expect(page.get_by_role("combobox", name=label)).to_have_value(value)


def test_page_is_played_without_a_mouse(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    quick(page)
    focused = page.locator(":focus")

    def tab_to(name: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if focused.get_attribute("aria-label") == name or focused.inner_text().strip() == name:
                return
        raise AssertionError(f"no way to {name} by keyboard")

    page.locator("body").evaluate("body => (body.tabIndex = -1, body.focus())")
    tab_to("Settings")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
    page.get_by_label("Your sound").focus()
    page.keyboard.press("g")  # chooses, and strikes no key
    expect(page.get_by_label("Your sound")).to_have_value("glass")
    expect(page.locator(".key.pressed")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Settings")).to_be_focused()
    tab_to("Start")
    expect(focused).to_have_css("outline-style", "solid")
    page.keyboard.press("Space")
    await_phase(page, "player")
    page.keyboard.press("f")
    await_notes(page, "player", "1")
    await_phase(page, "kakeai")
    page.keyboard.press("Space")  # the same button stops it
    await_phase(page, "idle")
