"""What came in since the champion was trained: told from what it knew, and refused where it is noise."""

import json
import os
import shutil

import numpy as np
import pytest

from kakeai.judging.champion_scores import known_files
from kakeai.judging.gate import ENOUGH_TUNES, SMALLEST_GAIN
from kakeai.judging.predicting import Side, pattern_of_newcomers
from kakeai.manifest import MANIFEST
from kakeai.model.configs import config_named
from kakeai.model.data.dataset import EVAL, TRAINING, read_dataset
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from kakeai.stages.bundle import SAVED_MODEL, bundle
from kakeai.stages.convert import convert
from kakeai.stages.evaluate import evaluate
from kakeai.stages.ingest import ingest_shard
from kakeai.stages.survey import survey
from kakeai.stages.train import train
from kakeai.store import MANIFEST as MANIFEST_OF_VERSION

KNOWN, NEW = 50, 100
EVAL_RATIO = 0.4
CONFIG = "basic_rnn"


def noise(seed):
    """A file of random notes."""
    rng = np.random.default_rng(seed)
    rows = [(int(rng.integers(50, 80)), 90, 0.125 * i, 0.125 * (i + 1)) for i in range(128)]
    return write_midi([Track("melody", make_notes(rows))])


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    from cli.oneills import oneills

    folder = tmp_path_factory.mktemp("oneills")
    oneills(folder, KNOWN + NEW)
    return [path.read_bytes() for path in sorted(folder.glob("*.mid"))]


@pytest.fixture(scope="module")
def yesterday(tunes, tmp_path_factory):
    """A corpus, one of its files with a name that is no UTF-8, and what its survey says."""
    folder = tmp_path_factory.mktemp("yesterday")
    corpus = folder / "corpus"
    (corpus / "deep").mkdir(parents=True)
    for number, content in enumerate(tunes[:KNOWN]):
        name = os.fsdecode(b"caf\xe9.mid") if number == 0 else f"deep/{number}.mid"
        (corpus / name).write_bytes(content)
    survey(str(corpus), folder / "survey")
    return folder


def dataset_with(yesterday, newcomers, folder):
    """The dataset of yesterday's corpus and of what came in."""
    for number, content in enumerate(newcomers):
        (yesterday / "corpus" / f"new-{number}.mid").write_bytes(content)
    try:
        survey(str(yesterday / "corpus"), folder / "survey", num_shards=1)
        ingest_shard(folder / "survey", folder / "ingested", num_processes=1)
    finally:
        for path in (yesterday / "corpus").glob("new-*.mid"):
            path.unlink()
    convert([folder / "ingested"], folder / "dataset", CONFIG, EVAL_RATIO)
    return folder / "dataset"


@pytest.fixture
def version(yesterday, tmp_path):
    """The folder of a version that was trained on yesterday's corpus, with its manifest alone."""
    manifest = tmp_path / "store" / "kakeai" / "1" / MANIFEST_OF_VERSION
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes((yesterday / "survey" / MANIFEST).read_bytes())
    return tmp_path / "store" / "kakeai" / "1"


def test_tunes_that_came_in_are_told_from_those_that_were_known(yesterday, version, tunes, tmp_path):
    dataset = dataset_with(yesterday, tunes[KNOWN:], tmp_path)
    training, held_out = (Side.of(*read_dataset(dataset / side)) for side in (TRAINING, EVAL))
    known = known_files(version)
    sources = {*training.sources, *held_out.sources}
    assert "caf\\xe9.mid" in sources
    assert known >= {source for source in sources if not source.startswith("new-")}
    assert not any(source.startswith("new-") for source in known)
    pattern = pattern_of_newcomers(training, held_out, known, config_named(CONFIG))
    assert pattern.num_tunes >= ENOUGH_TUNES
    assert pattern.low > 10 * SMALLEST_GAIN
    assert pattern_of_newcomers(training, held_out, sources, config_named(CONFIG)) is None


def test_a_model_that_gains_on_noise_alone_is_refused(yesterday, version, tmp_path):
    dataset = dataset_with(yesterday, map(noise, range(NEW)), tmp_path)
    hparams = "batch_size=16,rnn_layer_sizes=[16],learning_rate=0.03"
    train(dataset, tmp_path / "run", CONFIG, hparams, num_training_steps=200)
    bundle(tmp_path / "run", tmp_path / "bundle", step=100)
    shutil.copytree(tmp_path / "bundle" / SAVED_MODEL, version, dirs_exist_ok=True)
    manifest = version / MANIFEST_OF_VERSION

    def decision():
        evaluate(dataset, tmp_path / "run", tmp_path / "out", store=str(tmp_path / "store"), champion=1)
        return json.loads((tmp_path / "out" / "decision.json").read_text())

    seeing = decision()
    assert seeing["verdict"] == "refuse", seeing
    assert [check["name"] for check in seeing["checks"] if not check["passed"]] == ["newcomers"]
    assert "it is no more than random notes" in seeing["sentence"]
    manifest.unlink()  # then nobody can know
    assert decision()["verdict"] == "release"
