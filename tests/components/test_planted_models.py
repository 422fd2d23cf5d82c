"""The gate before really trained models: bad ones are refused, an equal one is kept back, a better one is released."""

import json

import numpy as np
import pytest

from components.bundle import SAVED_MODEL, bundle
from components.evaluate import evaluate
from components.train import train
from kakeai.errors import KakeaiError
from kakeai.model import run as training_run
from kakeai.model.dataset import EVAL, TRAINING, DatasetInfo, read_dataset, write_dataset, write_dataset_info

TUNES = 100
HELD_OUT = 24
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
    from cli.corpus import oneills
    from components.convert import convert
    from components.ingest import ingest

    folder = tmp_path_factory.mktemp("planted")
    oneills(folder / "corpus", TUNES * 3 // 2)
    ingest(str(folder / "corpus"), folder / "note_sequences")
    convert([folder / "note_sequences"], folder / "dataset", "basic_rnn", 0.0)
    return list(zip(*read_dataset(folder / "dataset" / TRAINING), strict=True))[:TUNES]


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
def judged(dataset, store, tmp_path):
    """Decides about a run: the decision as it is written down."""

    def judge(run_dir, step=None, champion=1):
        evaluate(dataset, run_dir, tmp_path / "evaluation", step, str(store), champion=champion)
        return json.loads((tmp_path / "evaluation" / "decision.json").read_text())

    return judge


def failed(decision):
    return {check["name"] for check in decision["checks"] if not check["passed"]}


def test_a_better_one_is_released(judged, good, tmp_path):
    decision = judged(good, 150)
    assert decision["verdict"] == "release", decision
    assert decision["sentence"].startswith("Better than version 1 beyond doubt")
    (tune, *_) = [
        json.loads(line) for line in (tmp_path / "evaluation" / "tunes.jsonl").read_text().splitlines()
    ]
    assert set(tune) == {"source", "steps", "model", "ngram", "champion"}


def test_an_equal_one_is_not_churned(judged, good, tmp_path):
    decision = judged(good, 100)
    assert (decision["verdict"], decision["champion"]) == ("keep", 1)
    # The champion's own signature says of its tunes what its weights say in Python.
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert metrics["champion_gain_nll_per_step"] == pytest.approx(0.0, abs=1e-5)


def test_a_worse_one_is_refused(judged, good):
    assert "champion" in failed(judged(good, 50))


def retrained(tunes, tmp_path, steps):
    planted = write(tmp_path / "planted", tunes, [])
    hparams = f"{HPARAMS},dropout_keep_prob=1.0"
    train(planted, tmp_path / "run", hparams=hparams, num_training_steps=steps)
    return tmp_path / "run"


@pytest.mark.parametrize("champion", [0, 1])
def test_one_that_learnt_three_tunes_by_heart_is_refused(judged, tunes, tmp_path, champion, overfitted):
    assert "baseline" in failed(judged(overfitted, champion=champion))


@pytest.fixture(scope="module")
def overfitted(tunes, tmp_path_factory):
    return retrained(tunes[-3:] * 6, tmp_path_factory.mktemp("overfitted"), 300)


@pytest.fixture(scope="module")
def shuffled(tunes, tmp_path_factory):
    rng = np.random.default_rng(0)
    mixed = [(rng.permutation(melody), source) for melody, source in tunes[HELD_OUT:]]
    return retrained(mixed, tmp_path_factory.mktemp("shuffled"), 100)


@pytest.mark.parametrize("champion", [0, 1])
def test_one_that_learnt_shuffled_labels_is_refused(judged, shuffled, champion):
    assert "baseline" in failed(judged(shuffled, champion=champion))


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
    ("plant", "checks"),
    [
        (collapsed, {"baseline", "silence"}),
        (another_vocabulary, {"baseline"}),
        (gone_astray, {"baseline"}),
    ],
)
@pytest.mark.parametrize("champion", [0, 1])
def test_planted_weights_are_refused(judged, good, monkeypatch, plant, checks, champion):
    model, step = training_run.load_model(good)
    model.set_weights(plant(model.get_weights()))
    monkeypatch.setattr(training_run, "load_model", lambda *_: (model, step))
    decision = judged(good, champion=champion)
    assert decision["verdict"] == "refuse"
    assert checks <= failed(decision)


def test_a_champion_that_is_not_there_gets_a_sentence(judged, good):
    with pytest.raises(KakeaiError, match="has no version 7 of kakeai to compare with; it has 1"):
        judged(good, champion=7)


@pytest.mark.parametrize("damage", ["cut off", "no score"])
def test_a_champion_that_does_not_work_gets_a_sentence(judged, good, store, damage):
    broken = store / "kakeai" / "2"
    broken.mkdir()
    try:
        if damage == "cut off":
            (broken / "saved_model.pb").write_bytes(
                (store / "kakeai" / "1" / "saved_model.pb").read_bytes()[:99]
            )
        else:
            import tensorflow as tf

            tf.saved_model.save(tf.Module(), str(broken))
        with pytest.raises(KakeaiError, match="version 2 in the model store, to compare with, does not work"):
            judged(good, champion=2)
    finally:
        import shutil

        shutil.rmtree(broken)
