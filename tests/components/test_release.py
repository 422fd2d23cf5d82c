"""Bundle and release: from a checkpoint to a version that is there whole, or not at all."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.bundle import bundle
from components.release import ReleaseResult, release
from components.train import train
from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.model import run as training_run
from kakeai.model import sampler
from kakeai.model.bundle import read_bundle
from kakeai.model.dataset import DatasetInfo, write_dataset, write_dataset_info


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    tune = np.array([60, -2, 62, -2, 64, -2, 65, -2] * 4, np.int8)
    for side in ("training", "eval"):
        write_dataset(folder / f"{side}.tfrecord", [(tune, "a.mid")])
    write_dataset_info(folder, DatasetInfo("basic_rnn", 0.5, "by hand", "f" * 64, 2, 0, 2, 1, 1, {}, {}))
    hparams = "batch_size=2,rnn_layer_sizes=[8]"
    train(folder, folder / "run", "basic_rnn", hparams, num_training_steps=60)
    return folder / "run"


@pytest.fixture(scope="module")
def bundled(run_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundled") / "bundle"
    bundle(run_dir, folder, "my_model")
    return folder


def test_a_bundle_holds_the_checkpoints_weights(run_dir, bundled):
    model, step = training_run.load_model(run_dir)
    assert json.loads((bundled / "bundle.json").read_text())["trained_steps"] == step
    for ours, theirs in zip(
        read_bundle(bundled / "my_model.mag").get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    saved = tf.saved_model.load(str(bundled / "saved_model"))
    melody, length = tf.constant([[60, -2, 62, -2]]), tf.constant([4])
    expected = sampler.score(model, melody, length)
    np.testing.assert_allclose(saved.score(melody, length)["log_likelihood"], expected, rtol=1e-5)


def test_any_kept_checkpoint_can_be_packed(run_dir, tmp_path):
    assert bundle(run_dir, tmp_path / "early", step=50).step == 50
    with pytest.raises(KakeaiError, match="has no checkpoint of step 7; it has 50, 60"):
        bundle(run_dir, tmp_path / "missing", step=7)
    assert not (tmp_path / "missing").exists()


def test_versions_count_up_and_name_their_parent(run_dir, bundled, tmp_path):
    store = tmp_path / "store"
    assert release(bundled, None, str(store), "my_model").version == 1
    assert release(bundled, None, str(store), "my_model") == ReleaseResult(1, is_new=False)
    early = tmp_path / "early"
    bundle(run_dir, early, "my_model", step=50)
    assert release(early, None, str(store), "my_model").version == 2
    card = model_store.read_card(store, "my_model", 2)
    assert (card["version"], card["parent"], card["trained_steps"]) == (2, 1, 50)
    assert (store / "my_model" / "2" / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_a_model_that_does_not_answer_is_not_released(bundled, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(bundled, broken)
    data = next((broken / "saved_model" / "variables").glob("variables.data-*"))
    data.write_bytes(data.read_bytes()[:40])
    store = tmp_path / "store"
    with pytest.raises(KakeaiError):
        release(broken, None, str(store), "my_model")
    assert model_store.versions(store, "my_model") == []
    assert not any(store.rglob("*"))


def test_a_store_that_cannot_be_written_gets_a_sentence(bundled, tmp_path):
    (tmp_path / "store").write_text("a file where the store should be")
    with pytest.raises(KakeaiError, match="cannot write version 1 of my_model"):
        release(bundled, None, str(tmp_path / "store"), "my_model")


def test_what_is_no_bundle_folder_is_refused(tmp_path):
    with pytest.raises(KakeaiError, match="run the stage before this one again"):
        release(tmp_path, None, str(tmp_path / "store"))
