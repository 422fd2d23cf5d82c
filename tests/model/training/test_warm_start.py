"""Where a training begins: bundles on this machine, in a bucket, in a store."""

import hashlib

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.magenta.bundle import write_bundle
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.training.warm_start import read_start
from kakeai.storage import location


@pytest.fixture(scope="module")
def model():
    return MelodyRnn(config_named("attention_rnn", "rnn_layer_sizes=[6],attn_length=9,batch_size=16"), seed=5)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "some.mag"
    write_bundle(model, path, "by hand")
    return path


@pytest.fixture(params=["here", "bucket"])
def root(request, tmp_path, bucket):
    """An empty folder, as text."""
    return str(tmp_path) if request.param == "here" else bucket.folder()


@pytest.mark.parametrize("version", ["some.mag", "kakeai/3/assets.extra/kakeai.mag"])
def test_it_begins_with_a_bundle_or_a_version_of_a_store(root, version, bundle, model):
    file = location(f"{root}/{version}")
    if version.startswith("kakeai"):
        put(location(f"{root}/kakeai/3/saved_model.pb"), b"")
    put(file, bundle.read_bytes())
    put(file.with_suffix(".hparams"), bundle.with_suffix(".hparams").read_bytes())
    for place in {f"{root}/{version}", f"{root}/{version.partition('/assets')[0]}"}:
        start, digest = read_start(place, None, "")
        assert digest == hashlib.sha256(bundle.read_bytes()).hexdigest()
        assert start.config == model.config  # what only the .hparams tell counted in
        for found, expected in zip(start.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_no_bundle_is_refused(root, bundle):
    with pytest.raises(KakeaiError, match=r"there is no bundle .*none\.mag; give a \.mag file"):
        read_start(f"{root}/none.mag", None, "")
    for name in ("one", "two"):
        put(location(f"{root}/{name}.mag"), bundle.read_bytes())
    with pytest.raises(KakeaiError, match="there is more than one bundle"):
        read_start(root, None, "")
    put(location(f"{root}/three.mag"), b"no bundle")
    with pytest.raises(KakeaiError, match="is not a Magenta bundle"):
        read_start(f"{root}/three.mag", None, "")


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
