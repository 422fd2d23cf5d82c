"""The session page in a real browser, when its gateway is full, goes away, or has another model to play with."""

import json
import re
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import mido
from gateway_process import GatewayProcess
from playwright.sync_api import Page, expect
from session_page import (
    SOME,
    WAIT_MS,
    await_notes,
    await_phase,
    downloaded,
    exchange,
    opened,
    quick,
    start,
    stop,
    strokes,
)
from stand_in import WAIT_SECONDS, StandIn
from websockets.sync.client import connect

from serving.gateway.security.tokens import new_token, token_hash

PageAt = Callable[[GatewayProcess], AbstractContextManager[Page]]
TOO_BUSY = "The server is too busy to answer just now."


def takes(midi: mido.MidiFile) -> list[str]:
    """Who gave each answer: model and version."""
    texts = [message.text for message in midi.tracks[0] if message.type == "text"]
    return [text.split(", seed")[0] for text in texts]


def test_page_goes_on_while_its_gateway_restarts(
    gateway: Callable[..., GatewayProcess], two_models: tuple[str, Path], page_at: PageAt
) -> None:
    address, store = two_models
    own = gateway(model_server=address, store=store)
    with page_at(own) as page:
        opened(page, own.url)
        quick(page)
        start(page)
        exchange(page)
        await_notes(page, "kakeai", SOME)
        own.kill()
        expect(page.get_by_test_id("notice")).to_contain_text("The server is away", timeout=WAIT_MS)
        exchange_without_answer(page)
        own.start()
        await_phase(page, "kakeai")  # the call that nobody took is answered
        expect(page.locator("[data-link=ready]")).to_be_visible()
        await_phase(page, "player")
        stop(page)
        midi = downloaded(page)
        assert [pitch for pitch, _, _ in strokes(midi.tracks[1], midi.ticks_per_beat)] == [60, 64, 67, 72]
        assert takes(midi) == ["model kakeai, version 1"] * 2


def exchange_without_answer(page: Page) -> None:
    """A bar of the player's while no gateway is there: the beat goes on, and Kakeai is waited for."""
    await_phase(page, "player")
    page.keyboard.press("k")
    await_phase(page, "waiting")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_page_says_when_the_gateway_is_full_and_goes_on_when_it_is_not(
    gateway: Callable[..., GatewayProcess], stand_in: StandIn, page_at: PageAt
) -> None:
    own = gateway(model_server=stand_in.address, max_sessions=1, max_answers=1)
    with page_at(own) as page:
        with connect(f"{own.url.replace('http', 'ws')}/v1/session") as other:
            other.send('{"type": "start"}')
            assert json.loads(other.recv(WAIT_SECONDS))["type"] == "ready"
            page.goto(own.url)
            expect(page.get_by_test_id("notice")).to_contain_text(TOO_BUSY)
        expect(page.locator("[data-link=ready]")).to_be_visible()
        quick(page)

        stand_in.was_asked = threading.Semaphore(0)
        stand_in.may_answer.clear()
        request = urllib.request.Request(
            f"{own.url}/v1/generate", b'{"notes": []}', {"Content-Type": "application/json"}
        )
        asking = threading.Thread(target=lambda: urllib.request.urlopen(request, timeout=WAIT_SECONDS))
        asking.start()
        assert stand_in.was_asked.acquire(timeout=WAIT_SECONDS)  # the one place is taken
        start(page)
        await_phase(page, "player")
        page.keyboard.press("a")
        expect(page.get_by_test_id("notice")).to_contain_text(TOO_BUSY)
        await_notes(page, "kakeai", "0")
        stand_in.may_answer.set()
        asking.join()
        await_phase(page, "countIn")  # to the player's next turn
        exchange(page)
        await_notes(page, "kakeai", SOME)
        expect(page.get_by_test_id("notice")).not_to_contain_text(TOO_BUSY)
        stop(page)


def test_page_is_let_in_by_a_link_with_a_token(
    gateway: Callable[..., GatewayProcess], stand_in: StandIn, page_at: PageAt
) -> None:
    token = new_token()
    own = gateway(model_server=stand_in.address, tokens=token_hash(token))
    with page_at(own) as page:
        page.goto(own.url)
        notice = page.get_by_test_id("notice")
        expect(notice).to_contain_text("lets in only those who were given a link", timeout=WAIT_MS)
        expect(page.get_by_test_id("model")).to_have_text("No access")
        page.get_by_role("button", name="日本語").click()
        expect(notice).to_contain_text("専用のリンクを受け取った人だけ")
        page.goto(f"{own.url}/#token=out-of-date")
        page.reload()
        expect(notice).to_contain_text("専用のリンクを受け取った人だけ", timeout=WAIT_MS)

        page.goto(f"{own.url}/#token={token}")  # in the same tab: the page is not loaded anew
        expect(page.locator("[data-link=ready]")).to_be_visible(timeout=WAIT_MS)
        assert page.url == f"{own.url}/"  # nobody reads it off the screen, or passes it on
        with page.expect_response("**/v1/models") as listed:
            page.reload()
        assert listed.value.status == 200
        expect(page.locator("[data-link=ready]")).to_be_visible(timeout=WAIT_MS)
        with page.context.new_page() as other:  # the token is this tab's alone
            other.goto(own.url)
            expect(other.get_by_test_id("notice")).to_contain_text("専用のリンク", timeout=WAIT_MS)


def test_page_plays_with_another_model_and_takes_up_its_new_version(
    gateway: Callable[..., GatewayProcess], two_models: tuple[str, Path], page_at: PageAt
) -> None:
    address, store = two_models
    own = gateway(model_server=address, store=store, release_seconds=0.05)
    with page_at(own) as page:
        opened(page, own.url)
        quick(page)
        start(page)
        exchange(page)
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("Model").select_option("reels")
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("model")).to_contain_text("reels, version 1")
        exchange(page)

        aside = store / ".2"
        shutil.copytree(store / "reels" / "1", aside)
        aside.rename(store / "reels" / "2")
        newer = page.get_by_role("button", name="Version 2 is here. Use it")
        while not newer.is_visible():
            exchange(page)
        newer.click()
        expect(page.get_by_test_id("model")).to_contain_text("reels, version 2")
        expect(newer).to_be_hidden()
        exchange(page)
        await_phase(page, "player")
        stop(page)
        told = takes(downloaded(page))
        assert told[:2] == ["model kakeai, version 1", "model reels, version 1"]
        assert told[-1] == "model reels, version 2"
        assert re.fullmatch(
            "(ABB*C)", "".join({told[0]: "A", told[1]: "B", told[-1]: "C"}[take] for take in told)
        )


def test_phrases_are_given_only_while_the_player_says_so(
    gateway: Callable[..., GatewayProcess], two_models: tuple[str, Path], page_at: PageAt, tmp_path: Path
) -> None:
    address, store = two_models
    given = tmp_path / "given"
    own = gateway(model_server=address, store=store, collect=given)
    with page_at(own) as page:
        opened(page, own.url)
        quick(page)
        give(page, now=True)
        start(page)
        exchange(page, "ad")
        await_notes(page, "kakeai", SOME)
        give(page, now=False)
        exchange(page, "g")
        stop(page)
        page.goto("about:blank")  # the session ends, and is written
    deadline = time.monotonic() + WAIT_MS / 1000
    while not (files := list(given.rglob("*.mid"))):
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.05)
    [file] = files
    midi = mido.MidiFile(file)
    struck = [m.note for track in midi.tracks for m in track if m.type == "note_on" and m.velocity]
    assert struck == [60, 64]


def give(page: Page, *, now: bool) -> None:
    """Turn the switch, which is off until the player turns it on."""
    page.get_by_role("button", name="Settings").click()
    switch = page.get_by_role("dialog").get_by_role("switch")
    expect(switch).to_be_checked(checked=not now)
    switch.set_checked(now, force=True)
    page.keyboard.press("Escape")


def test_where_nothing_is_kept_no_switch_asks_for_it(page: Page, gateway_url: str) -> None:
    opened(page, gateway_url)
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("switch")).to_have_count(0)
