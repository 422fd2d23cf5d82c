"""The report as a file in a real browser: it asks for nothing, plays, and hands out MIDI files."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from kakeai.music.melody import melody_from_notes
from kakeai.music.midi import read_midi
from kakeai.report.page import QPM, Evaluation, Sample, Unreadable, render

AXE = Path(__file__).parents[2] / "serving" / "web" / "node_modules" / "axe-core" / "axe.min.js"
TURN = 32
HOSTILE = '<img src="https://example.com/x" onerror="document.title=1">"\'.mid'

SIDES = ("loss", "perplexity", "accuracy", "event_accuracy", "no_event_accuracy")
EVENTS = ("event_accuracy", "no_event_accuracy", "nll_per_step", "nll_per_note")
SOUNDS = (
    "pitch_range", "notes_per_bar", "repetition", "silence", "quotation_median", "quotation_longest",
)  # fmt: skip


def melody(seed):
    rng = np.random.default_rng(seed)
    events = np.full(160, -2, np.int8)
    events[::2] = rng.integers(55, 80, 80)
    events[50] = -1
    return events


def figures(**changes):
    return {
        "step": 100, "config": "lookback_rnn", "hparams": "batch_size=64",
        "corpus": "c0ffee", "training_corpus": "c0ffee", "num_files": 12, "num_rejected": 1,
        "num_training_melodies": 1234, "num_eval_melodies": 8, "num_eval_tunes": 8,
        **dict.fromkeys(SIDES, 0.5),
        **{f"{who}_{name}": 0.25 for who in ("model", "ngram") for name in EVENTS},
        "beats_ngram": True, "gain_nll_per_step": 0.1, "gain_low": 0.05, "gain_high": 0.15,
        "gain_share_of_tunes": 0.5, "num_samples": 64, "champion": 3,
        "champion_gain_nll_per_step": -0.02, "champion_gain_low": -0.03, "champion_gain_high": -0.01,
        **{f"{who}_{name}": 2.0 for who in ("samples", "held_out") for name in SOUNDS},
        **changes,
    }  # fmt: skip


NOTHING_HELD_OUT = figures(
    num_eval_melodies=0,
    beats_ngram=None,
    **dict.fromkeys(SIDES),
    **{f"{who}_{name}": None for who in ("model", "ngram") for name in EVENTS},
    **{f"gain_{name}": None for name in ("nll_per_step", "low", "high", "share_of_tunes")},
    **{f"held_out_{name}": None for name in SOUNDS},
)
DECISION = {
    "verdict": "refuse",
    "sentence": "The model is worse than version 3.",
    "champion": 3,
    "checks": [
        {"name": "champion", "passed": False, "figure": -0.02, "limit": -0.01, "sentence": "Worse."},
        {"name": "silence", "passed": True, "figure": 0.02, "limit": 0.1, "sentence": "Two of a hundred."},
        {"name": "baseline", "passed": True, "figure": None, "limit": 0.0, "sentence": "No number."},
    ],
}
TUNES = [
    {"source": f"{i}.mid", "steps": 100, "model": 1.0, "ngram": 1.1, "champion": 1.0 - (i - 2) / 50}
    for i in range(8)
]
EVALUATION = Evaluation(
    figures(),
    DECISION,
    [*TUNES[1:], {**TUNES[0], "source": HOSTILE}],
    {"polyphony": 5, "<script>": 2},
    [
        {"step": step, **{side: dict.fromkeys(SIDES, 200 / (step + 50)) for side in ("train", "eval")}}
        for step in (50, 100, 150)
    ],
    "The model has begun to learn the tunes by heart.",
    [Sample("a.mid", melody(1), TURN, 9, "b.mid"), Sample(HOSTILE, melody(2), TURN, 0, HOSTILE)],
    [Unreadable("it is no MIDI file", 4, HOSTILE)],
    {"sentence": "12 files, 5 of them new.", "champion": 3, "num_new": 5, "num_gone": 77},
)


def test_everything_is_in_the_file():
    page = render(EVALUATION)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:)""", page.replace(HOSTILE, ""))
    assert not re.search(r"@import|url\(", page)
    assert re.search(r'"default-src \'none\'', page)


def test_names_of_files_are_text():
    page = render(EVALUATION)
    assert "<img" not in page
    assert "&lt;img" in page
    assert "<td><script>" not in page
    assert page.count("<script>") == 1


def test_the_page_is_the_same_each_time():
    assert render(EVALUATION) == render(EVALUATION)


def test_the_decision_comes_first_with_all_that_was_looked_at():
    page = render(EVALUATION)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index("<header>") :]))
    assert "The new model is refused: it is worse than the one in service." in text
    assert "Not passed" in page
    assert page.count('<li class="passed">') == 2
    assert "Against the model in service Worse. −0.020 at least −0.010" in text
    assert "Is not silent Two of a hundred. 2 % at most 10 %" in text


def test_what_came_in_is_counted():
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", render(EVALUATION)))
    assert "12 files, 5 of them new. " in text
    assert "New since version 3 5 Gone since 77 " in text
    assert "it is no MIDI file such as &lt;img" in text
    unknown = render(dataclasses.replace(EVALUATION, survey=None, unreadable=[]))
    assert "Gone since" not in unknown


def test_a_first_model_is_shown_beside_the_ngram():
    first = dataclasses.replace(
        EVALUATION, figures=figures(champion=0), decision={**DECISION, "verdict": "release", "champion": 0}
    )
    assert "The first model is good enough" in render(first)
    assert "The model and an n-gram, tune by tune" in render(first)


def test_a_model_without_likelihoods_has_a_page():
    astray = figures(champion_gain_nll_per_step=None, champion_gain_low=None, champion_gain_high=None)
    assert "tune by tune" not in render(dataclasses.replace(EVALUATION, figures=astray))


def test_without_a_held_out_side_it_says_why():
    page = render(dataclasses.replace(EVALUATION, figures=NOTHING_HELD_OUT, tunes=[], warning=""))
    assert "The dataset has no held-out melodies" in page
    assert "How well it predicts" not in page
    assert "opening" in page
    assert "None" not in page
    # The held-out curve would be a row of zeros.
    assert 'class="held-out"' not in page
    assert 'class="training"' in page


def test_another_corpus_than_the_trained_one_is_pointed_out():
    assert "another corpus" not in render(EVALUATION)
    other = dataclasses.replace(EVALUATION, figures=figures(training_corpus="0ff"))
    assert "another corpus" in render(other)


def test_without_curves_or_samples_there_is_still_a_page():
    page = render(dataclasses.replace(EVALUATION, curves=[], samples=[], dropped={}, warning=""))
    assert "How it learnt" not in page


@pytest.fixture
def opened(browser, tmp_path):
    """Opens an evaluation's report, and holds what the browser complains of or asks for."""
    (tmp_path / "report.html").write_text(render(EVALUATION), encoding="utf-8")
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.complaints.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    assert page.complaints == [(tmp_path / "report.html").as_uri()]
    page.complaints.clear()
    yield page
    assert [complaint for complaint in page.complaints if not complaint.startswith("data:audio/midi")] == []
    context.close()


def test_a_sample_plays_and_stops(opened):
    sample = opened.locator(".sample").first
    sample.get_by_role("button", name="Play sample 1").click()
    stop = sample.get_by_role("button", name="Stop sample 1")
    expect(stop).to_be_visible()
    # The line over the piano roll has begun to move, and a note under it sounds.
    expect(sample.locator(".playhead")).to_have_attribute("transform", re.compile(r"translate\((?!0 )"))
    expect(sample.locator(".note.sounding")).to_have_count(1)
    stop.click()
    expect(sample.get_by_role("button", name="Play sample 1")).to_be_visible()
    expect(sample.locator(".note.sounding")).to_have_count(0)


def test_only_one_sample_plays_at_a_time(opened):
    opened.get_by_role("button", name="Play sample 1").click()
    opened.get_by_role("button", name="Play sample 2").click()
    expect(opened.get_by_role("button", name="Stop sample 2")).to_be_visible()
    expect(opened.get_by_role("button", name="Play sample 1")).to_be_visible()


def test_no_word_leaves_its_picture(opened):
    cut_off = """[...document.querySelectorAll("svg text")].filter(text => {
        const box = text.getBBox(), sheet = text.ownerSVGElement.viewBox.baseVal;
        return box.x < 0 || box.y < 0 || box.x + box.width > sheet.width || box.y + box.height > sheet.height;
    }).map(text => text.textContent)"""
    assert opened.evaluate(cut_off) == []


def test_a_sample_downloads_as_the_midi_file_of_what_is_shown(opened):
    with opened.expect_download() as download:
        opened.get_by_role("link", name="Download sample 1 as a MIDI file").click()
    assert download.value.suggested_filename == "kakeai-sample-1.mid"
    score = read_midi(Path(download.value.path()).read_bytes())
    assert len(np.unique(score.notes["instrument"])) == 2
    np.testing.assert_array_equal(
        melody_from_notes(score.notes, QPM, len(melody(1))), EVALUATION.samples[0].melody
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_on_a_phone(opened, scheme):
    if not AXE.exists():
        pytest.skip("axe-core comes with the session page's packages: npm ci in serving/web")
    opened.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened.evaluate(AXE.read_text())
    found = opened.evaluate("axe.run()")
    assert [(rule["id"], rule["help"]) for rule in found["violations"]] == []
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
