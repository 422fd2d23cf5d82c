"""The champion as a judge: fetched from folders and buckets, it scores tunes itself."""

import numpy as np
import pytest
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.judging.champion_scores import fetched, known_files, log_likelihoods
from kakeai.manifest import ManifestRow, write_manifest
from kakeai.model.configs import config_named
from kakeai.model.data.batches import pad
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.sampler import score
from kakeai.model.saved_model import export
from kakeai.store import MANIFEST


def tunes(number):
    rng = np.random.default_rng(0)
    return [
        np.where(rng.random(steps) < 0.5, -2, rng.integers(40, 90, steps)).astype(np.int8)
        for steps in rng.integers(20, 90, number)
    ]


@pytest.fixture(scope="module")
def model():
    return MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[8]"), seed=1)


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    export(model, folder / "reel" / "4", "reel")
    rows = [ManifestRow("a.mid", 1, "00"), ManifestRow("b/c.mid", 1, "11")]
    write_manifest(folder / "reel" / "4" / MANIFEST, [row.as_line() for row in rows])
    return folder


def test_it_scores_tunes_as_its_weights_do(model, store):
    melodies = tunes(70)  # more than a batch, in no order
    batch = pad(melodies)
    expected = score(model, tf.constant(batch.melody), tf.constant(batch.length)).numpy()
    with fetched(str(store), "reel", 4) as version:
        np.testing.assert_allclose(log_likelihoods(version, melodies), expected, rtol=1e-4)
        assert known_files(version) == {"a.mid", "b/c.mid"}


def test_one_in_a_bucket_is_fetched_and_taken_away_again(bucket, store):
    address = bucket.folder()
    bucket.upload(store, address)
    with fetched(address, "reel", 4) as version:
        assert np.isfinite(log_likelihoods(version, tunes(2))).all()
        assert known_files(version) == {"a.mid", "b/c.mid"}
    assert not version.exists()


def test_one_that_is_not_there_gets_a_sentence(store):
    with (
        pytest.raises(KakeaiError, match="has no version 7 of reel to compare with; it has 4"),
        fetched(str(store), "reel", 7),
    ):
        pass


def cut_off(version, store):
    graph = (store / "reel" / "4" / "saved_model.pb").read_bytes()
    (version / "saved_model.pb").write_bytes(graph[: len(graph) // 2])


def without_signature(version, _):
    tf.saved_model.save(tf.Module(), str(version))


def without_numbers(version, _):
    astray = MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[8]"), seed=1)
    astray.set_weights([np.full_like(array, np.nan) for array in astray.get_weights()])
    export(astray, version, "reel")


@pytest.mark.parametrize("damage", [cut_off, without_signature, without_numbers])
def test_one_that_does_not_work_gets_a_sentence(store, tmp_path, damage):
    version = tmp_path / "reel" / "2"
    version.mkdir(parents=True)
    damage(version, store)
    assert known_files(version) == frozenset()
    with pytest.raises(KakeaiError, match="version 2 in the model store, to compare with, does not work"):
        log_likelihoods(version, tunes(2))
