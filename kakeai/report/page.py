"""One page that shows how well a model does: a self-contained file that asks nothing of the network."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from kakeai.music.melody import STEPS_PER_QUARTER, notes_from_melody
from kakeai.music.midi import Track, write_midi
from kakeai.report import verdict, words
from kakeai.report.chart import Chart, chart
from kakeai.report.piano_roll import PianoRoll, piano_roll
from kakeai.report.ranking import Ranking, ranking

QPM = 120.0  # quarter notes a minute; melodies have no tempo of their own


@dataclass(frozen=True)
class Sample:
    """What the model played on.

    Attributes:
        source: File of the tune whose beginning is the primer.
        melody: int8 [steps], primer and answer.
        turn: Step at which the answer begins.
        quoted_notes: Notes of the longest passage of the answer that a training tune has too.
        quoted_source: File of that tune.
        quoted_begin: Notes of the answer before that passage.
    """

    source: str
    melody: np.ndarray
    turn: int
    quoted_notes: int
    quoted_source: str
    quoted_begin: int = 0


@dataclass(frozen=True)
class Unreadable:
    """Files that could not be read: for what reason, how many, and one of them."""

    reason: str
    files: int
    example: str


@dataclass(frozen=True)
class Evaluation:
    """What there is to show.

    Attributes:
        figures: metrics.json, see `kakeai.stages.evaluate`.
        decision: decision.json.
        tunes: Rows of tunes.jsonl.
        dropped: How often each reason, in words, kept music out of the dataset.
        curves: Evaluations alongside training: `step`, and the figures of `train` and `eval`.
        warning: Said in words if the model overfits, else empty.
        samples: What it played.
        unreadable: Files of the corpus that could not be read, the most frequent reason first.
        survey: survey.json (see `kakeai.stages.survey`): what is new and gone; None where there was no survey.
    """

    figures: dict[str, Any]
    decision: dict[str, Any]
    tunes: list[dict[str, Any]]
    dropped: dict[str, int]
    curves: list[dict[str, Any]]
    warning: str
    samples: list[Sample]
    unreadable: list[Unreadable] = field(default_factory=list)
    survey: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Shown:
    """A sample on the page: what it is from, its picture, its notes to play and its MIDI file."""

    source: str
    roll: PianoRoll
    notes: str
    seconds: float
    midi: str
    file_name: str
    quotation: str


def render(evaluation: Evaluation) -> str:
    """Return the page, HTML."""
    style, script = _file("report.css"), _file("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            figures=evaluation.figures,
            decision=evaluation.decision,
            verdict=verdict,
            ranking=_ranking(evaluation),
            other_words=_other(evaluation)[1],
            num_tunes=len(evaluation.tunes),
            survey=evaluation.survey,
            unreadable=evaluation.unreadable,
            dropped=sorted(evaluation.dropped.items(), key=lambda item: -item[1]),
            warning=evaluation.warning,
            charts=_charts(evaluation),
            samples=[_shown(number, sample) for number, sample in enumerate(evaluation.samples, 1)],
            words=words,
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


def _charts(evaluation: Evaluation) -> list[Chart]:
    if not evaluation.curves:
        return []
    sides = {"training": "train"}
    if evaluation.figures["num_eval_melodies"]:
        sides = {"held-out": "eval", **sides}

    def curves(figure: str, scale: float = 1.0) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(point["step"], scale * point[side][figure]) for point in evaluation.curves]
            for name, side in sides.items()
        }

    step = evaluation.figures["step"]
    return [
        chart("Loss, nats a step", curves("loss"), mark=step),
        chart("Event accuracy", curves("event_accuracy", 100.0), " %", step),
    ]


def _other(evaluation: Evaluation) -> tuple[str, str]:
    # With whom the model is compared tune by tune, and how that one is called.
    version = evaluation.figures["champion"]
    return ("champion", f"version {version}") if version else ("ngram", "an n-gram")


def _ranking(evaluation: Evaluation) -> Ranking | None:
    if not evaluation.tunes:
        return None
    gain = "champion_gain" if evaluation.figures["champion"] else "gain"
    mean, low, high = (evaluation.figures[f"{gain}_{name}"] for name in ("nll_per_step", "low", "high"))
    if mean is None:  # the model gives likelihoods that are no numbers
        return None
    return ranking(evaluation.tunes, *_other(evaluation), mean, low, high)


def _shown(number: int, sample: Sample) -> _Shown:
    notes = notes_from_melody(sample.melody, QPM)
    seconds_per_step = 60.0 / QPM / STEPS_PER_QUARTER
    is_answer = notes["start"] >= (sample.turn - 0.5) * seconds_per_step
    tracks = [Track("Primer", notes[~is_answer]), Track("Kakeai", notes[is_answer])]
    rows = [
        [int(note["pitch"]), round(float(note["start"]), 4), round(float(note["end"]), 4)] for note in notes
    ]
    return _Shown(
        source=sample.source,
        roll=piano_roll(
            sample.melody,
            sample.turn,
            range(sample.quoted_begin, sample.quoted_begin + sample.quoted_notes),
        ),
        notes=json.dumps(rows, separators=(",", ":")),
        seconds=len(sample.melody) * seconds_per_step,
        midi="data:audio/midi;base64," + base64.b64encode(write_midi(tracks, QPM)).decode(),
        file_name=f"kakeai-sample-{number}.mid",
        quotation=words.quotation(sample.quoted_notes, sample.quoted_source),
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    # As the page's Content-Security-Policy names what may run.
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
