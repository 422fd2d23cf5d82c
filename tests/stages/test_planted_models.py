"""The gate before really trained models: bad ones are refused, an equal one is kept back, a better one is released."""

import dataclasses
import json

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from kakeai.judging import gate
from kakeai.model.data.dataset import EVAL, TRAINING, DatasetInfo, write_dataset, write_dataset_info
from kakeai.model.training import run as training_run
from kakeai.music.extraction import Extraction, extract_melodies
from kakeai.music.midi import read_midi
from kakeai.stages.bundle import SAVED_MODEL, bundle
from kakeai.stages.evaluate import evaluate
from kakeai.stages.train import train

FILES = 130
TUNES, HELD_OUT = 90, 24
HPARAMS = "batch_size=16,rnn_layer_sizes=[32],learning_rate=0.01"
INFO = DatasetInfo("basic_rnn", 0.2, "by hand", "c0ffee", TUNES, 0, TUNES, TUNES - HELD_OUT, HELD_OUT, {}, {})


def write(folder, training, held_out):
    folder.mkdir()
    write_dataset(folder / TRAINING, training)
    write_dataset(folder / EVAL, held_out)
    write_dataset_info(folder, INFO)
    return folder


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    """O'Neill's, with the files that they are from."""
    from cli.oneills import oneills

    folder = tmp_path_factory.mktemp("oneills")
    oneills(folder, FILES)
    found = [
        (stretch.melody, path.name)
        for path in sorted(folder.glob("*.mid"))
        for stretch in extract_melodies(read_midi(path.read_bytes()), Extraction())
        if stretch.melody is not None
    ]
    assert len(found) >= TUNES
    return found[:TUNES]


@pytest.fixture(scope="module")
def dataset(tunes, tmp_path_factory):
    return write(tmp_path_factory.mktemp("planted") / "dataset", tunes[HELD_OUT:], tunes[:HELD_OUT])


@pytest.fixture(scope="module")
def good(dataset, tmp_path_factory):
    """A training whose every checkpoint is better than the one before."""
    run_dir = tmp_path_factory.mktemp("good") / "run"
    train(dataset, run_dir, hparams=HPARAMS, num_training_steps=150)
    return run_dir


@pytest.fixture(scope="module")
def store(good, tmp_path_factory):
    """A store whose version 1 is that training's model after 100 steps."""
    folder = tmp_path_factory.mktemp("store")
    bundle(good, folder / "bundle", step=100)
    (folder / "kakeai").mkdir()
    (folder / "bundle" / SAVED_MODEL).rename(folder / "kakeai" / "1")
    return folder


@pytest.fixture
def judged(dataset, store, tmp_path, monkeypatch):
    """Decides about a run beside version 1: the decision as it is written, and that of the same evidence without it."""
    seen = []

    def decide(evidence):
        seen.append(evidence)
        return real(evidence)

    real = gate.decide
    monkeypatch.setattr("kakeai.stages.evaluate.decide", decide)

    def judge(run_dir, step=None):
        evaluate(dataset, run_dir, tmp_path / "evaluation", step, str(store), champion=1)
        decision = json.loads((tmp_path / "evaluation" / "decision.json").read_text())
        return decision, dataclasses.asdict(real(dataclasses.replace(seen[-1], champion=None)))

    return judge


def failed(decision):
    return {check["name"] for check in decision["checks"] if not check["passed"]}


def test_a_better_one_is_released(judged, good, tmp_path):
    decision, first = judged(good, 150)
    assert decision["verdict"] == first["verdict"] == "release", decision
    assert decision["sentence"].startswith("Better than version 1 beyond doubt")
    rows = (tmp_path / "evaluation" / "tunes.jsonl").read_text().splitlines()
    assert len(rows) == HELD_OUT
    assert set(json.loads(rows[0])) == {"source", "steps", "model", "ngram", "champion"}


def test_an_equal_one_is_not_churned(judged, good, tmp_path):
    decision, _ = judged(good, 100)
    assert (decision["verdict"], decision["champion"]) == ("keep", 1), decision
    # The champion's own signature says of its tunes what its weights say in Python.
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["champion_gain_nll_per_step"] == pytest.approx(0.0, abs=1e-5)


def test_a_worse_one_is_refused(judged, good):
    decision, _ = judged(good, 50)
    assert decision["verdict"] == "refuse"
    assert "champion" in failed(decision)


def refused(decisions):
    """The checks that a model failed beside the champion, after it was refused beside it and as a first model."""
    assert {decision["verdict"] for decision in decisions} == {"refuse"}, decisions
    assert all("baseline" in failed(decision) for decision in decisions)
    return failed(decisions[0])


def retrained(tunes, folder, steps):
    planted = write(folder / "planted", tunes, [])
    train(planted, folder / "run", hparams=f"{HPARAMS},dropout_keep_prob=1.0", num_training_steps=steps)
    return folder / "run"


def test_one_that_learnt_tunes_by_heart_is_refused(judged, tunes, tmp_path):
    few = tunes[HELD_OUT : HELD_OUT + 3]
    assert "champion" in refused(judged(retrained(few * 6, tmp_path, 120)))


def test_one_that_learnt_shuffled_labels_is_refused(judged, tunes, tmp_path):
    rng = np.random.default_rng(0)
    shuffled = [(rng.permutation(melody), source) for melody, source in tunes[HELD_OUT:]]
    assert "champion" in refused(judged(retrained(shuffled, tmp_path, 100)))


def collapsed(weights):
    """Whatever it hears, nothing happens."""
    *others, kernel, bias = weights
    silent = np.full_like(bias, -20.0)
    silent[0] = 20.0
    return [*others, np.zeros_like(kernel), silent]


def another_vocabulary(weights):
    """Each event is taken for the one three places on."""
    *others, kernel, bias = weights
    return [*others, np.roll(kernel, 3, axis=1), np.roll(bias, 3)]


def gone_astray(weights):
    return [np.full_like(array, np.nan) for array in weights]


@pytest.mark.parametrize(
    ("plant", "heard"), [(collapsed, {"silence"}), (another_vocabulary, set()), (gone_astray, set())]
)
def test_planted_weights_are_refused(judged, good, monkeypatch, plant, heard):
    model, step = training_run.load_model(good)
    model.set_weights(plant(model.get_weights()))
    monkeypatch.setattr(training_run, "load_model", lambda *_: (model, step))
    assert refused(judged(good)) >= {"champion", *heard}


def test_a_champion_that_is_not_there_gets_a_sentence(dataset, good, store, tmp_path):
    with pytest.raises(KakeaiError, match="has no version 7 of kakeai to compare with; it has 1"):
        evaluate(dataset, good, tmp_path / "evaluation", store=str(store), champion=7)
    assert list(tmp_path.iterdir()) == []
