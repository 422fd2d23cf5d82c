"""Evaluating a real training run on a small dataset."""

import dataclasses
import json
import re

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from kakeai.model.data.dataset import EVAL, TRAINING, DatasetInfo, write_dataset, write_dataset_info
from kakeai.model.measuring.figures import Figures
from kakeai.model.training import run as training_run
from kakeai.outputs import check_output
from kakeai.stages.evaluate import FILES, evaluate
from kakeai.stages.train import train

HPARAMS = "batch_size=16,rnn_layer_sizes=[24,16],learning_rate=0.01"
INFO = DatasetInfo("lookback_rnn", 0.1, "by hash", "c0ffee", 46, 2, 46, 40, 6, {"too_short": 3}, {})
OF_HELD_OUT = re.compile("model_|ngram_|gain_|held_out_|loss|perplexity|.*accuracy|beats_ngram|champion_")


def tunes(number, seed):
    """Four-bar phrases that come back, as tunes do; their names with them."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(number):
        scale = np.array([60, 62, 64, 65, 67, 69, 71, 72]) + rng.integers(-3, 4)
        phrases = []
        for _ in range(2):
            degrees = np.abs(np.cumsum(rng.integers(-2, 3, 32)) % 14 - 7)
            phrase = np.full((32, 2), -2, np.int8)
            phrase[:, 0] = scale[degrees]
            phrase[rng.random(32) < 0.2, 0] = -2
            phrases.append(phrase.ravel())
        made.append((np.concatenate([phrases[0], phrases[0], phrases[1], phrases[0]]), f"{seed}-{i}.mid"))
    return made


def write(folder, training, held_out):
    folder.mkdir()
    write_dataset(folder / TRAINING, training)
    write_dataset(folder / EVAL, held_out)
    info = dataclasses.replace(INFO, num_training_melodies=len(training), num_eval_melodies=len(held_out))
    write_dataset_info(folder, info)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write(tmp_path_factory.mktemp("evaluate") / "dataset", tunes(40, 1), tunes(6, 2))


@pytest.fixture(scope="module")
def run_dir(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    for steps in (1, 25):
        train(dataset, folder, hparams=HPARAMS, num_training_steps=steps)
    return folder


@pytest.fixture(scope="module")
def evaluation(dataset, run_dir, tmp_path_factory):
    output, told = tmp_path_factory.mktemp("evaluate") / "evaluation", []
    metrics = evaluate(dataset, run_dir, output, on_progress=lambda *at: told.append(at))
    return metrics, output, told


@pytest.mark.parametrize("step", [1, 25])
def test_figures_are_those_that_training_saw(dataset, run_dir, tmp_path, step):
    metrics = evaluate(dataset, run_dir, tmp_path / "evaluation", step)
    (point,) = (point for point in training_run.curves(run_dir) if point["step"] == step)
    assert metrics["step"] == step
    for name in Figures._fields:
        assert metrics[name] == pytest.approx(point["eval"][name], rel=1e-3), name


def test_metrics_are_complete_finite_and_written(evaluation):
    metrics, output, _ = evaluation
    check_output(output, FILES, [])  # another evaluation may replace it
    assert json.loads((output / "metrics.json").read_text()) == metrics
    assert metrics["config"] == "lookback_rnn"
    assert "rnn_layer_sizes=[24,16]" in metrics["hparams"]
    assert (metrics["num_training_melodies"], metrics["num_eval_melodies"], metrics["num_rejected"]) == (
        40,
        6,
        2,
    )
    told = {name for name in metrics if not name.startswith("champion_")}
    assert np.isfinite([metrics[name] for name in told if not isinstance(metrics[name], str)]).all()
    for name in told:
        if name.endswith(("accuracy", "repetition", "silence", "share_of_tunes")):
            assert 0 <= metrics[name] <= 1, name


def test_the_decision_is_written_with_its_checks_and_tunes(evaluation):
    metrics, output, _ = evaluation
    decision = json.loads((output / "decision.json").read_text())
    assert (decision["verdict"], decision["champion"]) == (metrics["verdict"], 0)
    assert [check["name"] for check in decision["checks"]] == [
        "baseline", "copying", "silence", "repetition", "pitch_range",
    ]  # fmt: skip
    assert all(check["sentence"] for check in decision["checks"])
    tunes = [json.loads(line) for line in (output / "tunes.jsonl").read_text().splitlines()]
    assert len(tunes) == metrics["num_eval_tunes"] == 6
    steps = sum(tune["steps"] for tune in tunes)
    for who in ("model", "ngram"):
        cost = sum(tune[who] * tune["steps"] for tune in tunes) / steps
        assert cost == pytest.approx(metrics[f"{who}_nll_per_step"], rel=1e-4)


def test_model_and_ngram_are_compared(evaluation):
    metrics, *_ = evaluation
    gain = metrics["ngram_nll_per_step"] - metrics["model_nll_per_step"]
    assert metrics["gain_nll_per_step"] == pytest.approx(gain)
    assert metrics["gain_low"] < gain < metrics["gain_high"]
    assert metrics["beats_ngram"] == (gain > 0)
    # A step has 38 events; an n-gram of 40 tunes knows more than nothing.
    assert metrics["ngram_nll_per_step"] < 0.7 * np.log(38)


def test_held_out_tunes_repeat_themselves_and_are_never_silent(evaluation):
    metrics, *_ = evaluation
    assert metrics["held_out_repetition"] > 0.2
    assert metrics["held_out_silence"] == 0
    assert 4 < metrics["held_out_notes_per_bar"] <= 8


def test_the_same_again(dataset, run_dir, evaluation, tmp_path):
    metrics, output, _ = evaluation
    assert evaluate(dataset, run_dir, tmp_path / "again") == metrics
    assert (tmp_path / "again" / "report.html").read_text() == (output / "report.html").read_text()


def test_other_samples_and_as_many_as_asked_for(dataset, run_dir, evaluation, tmp_path):
    metrics, *_ = evaluation
    other = evaluate(dataset, run_dir, tmp_path / "other", num_samples=3, seed=100)
    assert other["samples_notes_per_bar"] != metrics["samples_notes_per_bar"]
    assert other["model_nll_per_step"] == metrics["model_nll_per_step"]
    page = (tmp_path / "other" / "report.html").read_text()
    assert page.count('<article class="sample"') == 3
    assert len(re.findall(r"<h3[^>]*>2-\d\.mid</h3>", page)) == 3


def test_progress_reaches_its_end(evaluation):
    done, totals = zip(*evaluation[2], strict=True)
    assert list(done) == sorted(set(done))
    assert set(totals) == {done[-1]}


def test_without_a_held_out_side_figures_are_null_and_the_report_says_why(dataset, tmp_path):
    alone = write(tmp_path / "dataset", tunes(20, 1), [])
    train(alone, tmp_path / "run", hparams=HPARAMS, num_training_steps=2)
    metrics = evaluate(alone, tmp_path / "run", tmp_path / "evaluation")
    for name, value in metrics.items():
        assert (value is None) == bool(OF_HELD_OUT.match(name)), name
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert "The dataset has no held-out melodies" in page
    assert page.count('<article class="sample"') == 6


def test_few_and_short_melodies_are_evaluated_too(run_dir, tmp_path):
    melody, name = tunes(1, 3)[0]
    small = write(tmp_path / "dataset", [(melody, name)], [(melody[:20], "short.mid")])
    metrics = evaluate(small, run_dir, tmp_path / "evaluation")
    assert metrics["gain_low"] is None
    assert metrics["held_out_repetition"] is None  # nothing follows its two bars
    assert metrics["model_nll_per_step"] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"step": 7}, "has no checkpoint of step 7"), ({"num_samples": 0}, "must be 1 or more")],
)
def test_bad_input_leaves_nothing_behind(dataset, run_dir, tmp_path, arguments, sentence):
    with pytest.raises(KakeaiError, match=sentence):
        evaluate(dataset, run_dir, tmp_path / "evaluation", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_training_is_refused(dataset, tmp_path):
    with pytest.raises(KakeaiError, match="holds no training"):
        evaluate(dataset, tmp_path / "nothing", tmp_path / "evaluation")
