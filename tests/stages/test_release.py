"""Bundle and release: from a checkpoint to a version that is there whole, or not at all."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.model.data.dataset import DatasetInfo, write_dataset, write_dataset_info
from kakeai.model.magenta.bundle import read_bundle
from kakeai.model.sampling import sampler
from kakeai.model.training import run as training_run
from kakeai.stages.bundle import bundle
from kakeai.stages.release import ReleaseResult, release
from kakeai.stages.train import train


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    tune = np.array([60, -2, 62, -2, 64, -2, 65, -2] * 4, np.int8)
    for side in ("training", "eval"):
        write_dataset(folder / f"{side}.tfrecord", [(tune, "a.mid")])
    write_dataset_info(folder, DatasetInfo("basic_rnn", 0.5, "by hand", "f" * 64, 2, 0, 2, 1, 1, {}, {}))
    hparams = "batch_size=2,rnn_layer_sizes=[8]"
    run_dir = tmp_path_factory.mktemp("training") / "run"
    train(folder, run_dir, "basic_rnn", hparams, num_training_steps=60)
    return run_dir


@pytest.fixture(scope="module")
def bundled(run_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundled") / "bundle"
    bundle(run_dir, folder, "an_earlier_name")
    bundle(run_dir, folder, "my_model")  # replaces it
    return folder


@pytest.fixture(scope="module")
def early(run_dir, tmp_path_factory):
    """A bundle of the same training, of its step 50."""
    folder = tmp_path_factory.mktemp("early") / "bundle"
    assert bundle(run_dir, folder, "my_model", step=50).step == 50
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


def test_any_kept_checkpoint_can_be_packed(run_dir, early, tmp_path):
    assert json.loads((early / "bundle.json").read_text())["trained_steps"] == 50
    with pytest.raises(KakeaiError, match="has no checkpoint of step 7; it has 50, 60"):
        bundle(run_dir, tmp_path / "missing", step=7)
    assert not (tmp_path / "missing").exists()


def test_versions_count_up_and_name_their_parent(early, bundled, tmp_path):
    store = tmp_path / "store"
    assert release(bundled, None, str(store), "my_model").version == 1
    again = release(bundled, None, str(store), "my_model")
    assert again == ReleaseResult(1, False, "keep", "version 1 of my_model has these very weights")
    assert release(early, None, str(store), "my_model").version == 2
    card = model_store.read_card(store, "my_model", 2)
    assert (card["version"], card["parent"], card["trained_steps"]) == (2, 1, 50)
    assert (store / "my_model" / "2" / "assets.extra" / "tf_serving_warmup_requests").is_file()


@pytest.fixture
def evaluated(tmp_path):
    """Makes an evaluation of the module's model with a verdict."""

    def make(verdict, champion=0, step=60, **figures):
        folder = tmp_path / f"{verdict}-{champion}"
        folder.mkdir()
        decision = {"verdict": verdict, "champion": champion, "sentence": f"it says {verdict}", "checks": []}
        (folder / "decision.json").write_text(json.dumps(decision | figures))
        (folder / "metrics.json").write_text(json.dumps({"step": step}))
        return folder

    return make


def test_a_release_keeps_what_the_next_run_needs(bundled, evaluated, tmp_path):
    store = tmp_path / "store"
    manifest = tmp_path / "manifest.jsonl.gz"
    manifest.write_bytes(b"which files went in")
    recipe = {"config": "basic_rnn", "seed": 3}
    result = release(bundled, evaluated("release", gain=0.25), str(store), "other", manifest, recipe)
    assert result == ReleaseResult(1, True, "release", "it says release")
    card = model_store.read_card(store, "other", 1)
    assert card["recipe"] == recipe
    assert (card["decision"]["sentence"], card["decision"]["gain"]) == ("it says release", 0.25)
    assert [(check["name"], check["passed"]) for check in card["decision"]["checks"]] == [
        ("golden_answers", True)
    ]
    assert "overruled" not in card
    assert (store / "other" / "1" / model_store.MANIFEST).read_bytes() == manifest.read_bytes()
    # Under the model's name, with its hyperparameters beside it.
    kept = read_bundle(model_store.bundle_path(store, "other", 1))
    expected = read_bundle(bundled / "my_model.mag")
    assert str(kept.config.hparams) == str(expected.config.hparams)
    np.testing.assert_array_equal(kept.get_weights()[0], expected.get_weights()[0])


@pytest.mark.parametrize("verdict", ["refuse", "keep"])
def test_an_evaluation_is_obeyed_unless_somebody_overrules_it(bundled, evaluated, verdict, tmp_path):
    store = tmp_path / "store"
    evaluation = evaluated(verdict)
    result = release(bundled, evaluation, str(store), "my_model")
    assert result == ReleaseResult(0, False, verdict, f"it says {verdict}")
    assert not store.exists()
    with pytest.raises(KakeaiError, match="say why the evaluation is overruled, with --because"):
        release(bundled, evaluation, str(store), "my_model", overrule="Ada")
    result = release(bundled, evaluation, str(store), "my_model", overrule="Ada", because="the set changed")
    assert (result.version, result.is_new, result.verdict) == (1, True, "release")
    assert result.sentence == f"Ada overruled: the set changed (the evaluation said: it says {verdict})"
    overruled = model_store.read_card(store, "my_model", 1)["overruled"]
    assert overruled == {
        "by": "Ada",
        "because": "the set changed",
        "verdict": verdict,
        "sentence": f"it says {verdict}",
    }


def test_a_decision_about_an_older_champion_is_none(bundled, early, evaluated, tmp_path):
    store = tmp_path / "store"
    release(early, None, str(store), "my_model")
    result = release(bundled, evaluated("release", champion=0), str(store), "my_model")
    assert (result.version, result.is_new, result.verdict) == (1, False, "refuse")
    assert "version 1 of my_model was released meanwhile" in result.sentence
    assert release(bundled, evaluated("release", champion=1), str(store), "my_model").version == 2


def test_weights_that_were_taken_out_of_service_do_not_come_back_by_themselves(
    bundled, early, evaluated, tmp_path
):
    store = tmp_path / "store"
    release(early, None, str(store), "my_model")
    release(bundled, None, str(store), "my_model")
    model_store.rollback(store, "my_model", "Ada", "it rests")
    evaluation = evaluated("release", champion=3)
    result = release(bundled, evaluation, str(store), "my_model")
    assert (result.version, result.is_new, result.verdict) == (3, False, "refuse")
    assert "the weights of version 2, which Ada took out of service: it rests; overrule" in result.sentence
    result = release(
        bundled, evaluation, str(store), "my_model", overrule="Grace", because="the pedal was stuck"
    )
    assert (result.version, result.is_new) == (4, True)


def test_an_evaluation_of_other_weights_is_refused(bundled, evaluated, tmp_path):
    with pytest.raises(KakeaiError, match=r"is of step 50 and .* of step 60; evaluate the model"):
        release(bundled, evaluated("release", step=50), str(tmp_path / "store"), "my_model")


def test_by_hand_a_refusal_has_an_exit_status_of_its_own(bundled, evaluated, tmp_path, kakeai):
    places = [str(bundled), "--evaluation", str(evaluated("refuse")), "--store", str(tmp_path / "store")]
    ran = kakeai("release", *places)
    assert ran.returncode == 3
    assert "it says refuse" in ran.stdout
    assert not (tmp_path / "store").exists()


def test_what_is_served_must_play_what_the_weights_play(bundled, early, evaluated, tmp_path):
    mixed, store = tmp_path / "mixed", tmp_path / "store"
    shutil.copytree(bundled, mixed)
    shutil.rmtree(mixed / "saved_model")
    shutil.copytree(early / "saved_model", mixed / "saved_model")
    result = release(mixed, evaluated("release"), str(store), "my_model")
    assert (result.version, result.is_new, result.verdict) == (0, False, "refuse")
    assert "The SavedModel is not the model that was measured" in result.sentence
    assert not store.exists()


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
    with pytest.raises(KakeaiError, match="cannot write into the model store"):
        release(bundled, None, str(tmp_path / "store"), "my_model")


def test_what_is_no_bundle_folder_is_refused(tmp_path):
    with pytest.raises(KakeaiError, match="run the stage before this one again"):
        release(tmp_path / "none", None, str(tmp_path / "store"))
