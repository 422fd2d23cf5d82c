"""What a player takes home from the session page, opened and read note by note; and how much the page weighs."""

import base64
import gzip
import io
import json
import wave
import zlib
from pathlib import Path

import numpy as np
from playwright.sync_api import BrowserContext, Page, expect
from session_page import await_notes, downloaded, opened, saved, strokes

BUILT = Path(__file__).parents[3] / "serving" / "web" / "dist"
MOST_JAVASCRIPT_BYTES = 250_000  # gzipped, without samples

QPM = 120
TICKS = 480  # a quarter note in a link
# A call and its answer, a rest behind each note: (pitch, start, end) in beats.
CALL = [(60, 0, 0.5), (64, 1, 1.5), (67, 2, 2.75), (72, 3.25, 3.75)]
ANSWER = [(69, 0.25, 0.75), (65, 1.5, 2), (57, 3, 3.5)]
RATE = 44_100
ONSET = RATE // 50  # 20 ms: a pipe speaks slowly


def link(url: str) -> str:
    """The page with a session in its fragment, as a friend would send it."""

    def notes(line: list[tuple[int, float, float]]) -> list[list[int]]:
        return [[pitch, 90, round(start * TICKS), round((end - start) * TICKS)] for pitch, start, end in line]

    take = ["tiny", 3, 7, 1]
    packed = [1, 4, [[0, 1, QPM, notes(CALL), None], [1, 1, QPM, notes(ANSWER), take]]]
    compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = compress.compress(json.dumps(packed).encode()) + compress.flush()
    return f"{url}/#session={base64.urlsafe_b64encode(deflated).decode().rstrip('=')}"


def shared(page: Page, url: str) -> Page:
    opened(page, link(url))
    await_notes(page, "player", str(len(CALL)))
    return page


def test_midi_file_has_the_notes_of_the_session(page: Page, gateway_url: str) -> None:
    midi = downloaded(shared(page, gateway_url))
    conductor, you, kakeai = midi.tracks
    assert strokes(you, midi.ticks_per_beat) == CALL
    assert strokes(kakeai, midi.ticks_per_beat) == [(p, 4 + start, 4 + end) for p, start, end in ANSWER]
    texts = [message.text for message in conductor if message.type == "text"]
    assert texts == ["model tiny, version 3, seed 7, temperature 1"]


def test_wav_file_has_the_sound_of_each_note(page: Page, gateway_url: str) -> None:
    shared(page, gateway_url)
    page.get_by_role("button", name="Settings").click()
    for voice in ("Your sound", "Kakeai's sound"):
        page.get_by_label(voice).select_option(
            "Pipe"
        )  # loudest in its fundamental, and silent soon after its end
    page.keyboard.press("Escape")
    with wave.open(io.BytesIO(saved(page, "Download WAV", ".wav"))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (RATE, 2, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16).reshape(-1, 2)
    left = samples[:, 0] / 2**15
    beat = 60 / QPM * RATE
    dialogue = CALL + [(pitch, 4 + start, 4 + end) for pitch, start, end in ANSWER]
    for pitch, start, end in dialogue:
        first = round(start * beat)
        note = left[first : round(end * beat)]
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 8 * len(note)))
        loudest = np.argmax(spectrum) * RATE / (8 * len(note))
        assert abs(12 * np.log2(loudest / 440) + 69 - pitch) < 0.5
        # It begins there, within some milliseconds, out of silence.
        before, after = left[max(0, first - ONSET) : max(0, first - ONSET // 4)], note[:ONSET]
        assert np.abs(before).max(initial=0) < 0.02 < np.abs(after).max()


def test_soundcloud_opens_with_its_texts_ready_to_paste(
    page: Page, context: BrowserContext, gateway_url: str
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=gateway_url)
    context.route("https://soundcloud.com/**", lambda route: route.fulfill(body="the upload page"))
    shared(page, gateway_url)
    page.get_by_role("button", name="Keep and share").click()
    page.get_by_role("button", name="Copy: Description").click()
    expect(page.get_by_role("button", name="Copy: Description")).to_have_text("Copied")
    pasted = page.evaluate("navigator.clipboard.readText()")
    assert pasted.startswith("2 bars of call and response with ")
    assert page.get_by_role("textbox", name="Description").input_value() == pasted
    assert page.get_by_role("textbox", name="Title").input_value() == "Call and response with Kakeai"
    assert page.get_by_role("textbox", name="Tags").input_value().startswith("#kakeai ")
    with page.expect_popup() as upload:
        page.get_by_role("link", name="Share on SoundCloud").click()
    assert upload.value.url == "https://soundcloud.com/upload"
    assert upload.value.evaluate("window.opener") is None


def test_javascript_is_light() -> None:
    weights = {file.name: len(gzip.compress(file.read_bytes())) for file in BUILT.rglob("*.js")}
    assert weights, "the page is not built: make page"
    assert sum(weights.values()) <= MOST_JAVASCRIPT_BYTES, weights
