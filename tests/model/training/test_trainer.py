"""A training step is the same on several devices; at half the bits it is nearly so."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.data.batches import pad
from kakeai.model.network.precision import FIRST_SCALE, check_precision
from kakeai.model.training.devices import gpu_names
from kakeai.model.training.trainer import Trainer

CONFIG = config_named("attention_rnn", "batch_size=4,rnn_layer_sizes=[8,8],attn_length=9,learning_rate=0.01")


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(1)
    return pad([rng.integers(50, 70, length).astype(np.int8) for length in (40, 33, 21, 9)])


@pytest.fixture(scope="module")
def full(batch):
    """Ten losses of a training in float32."""
    return losses(Trainer(CONFIG, 0), batch)


def losses(trainer, batch, steps=10):
    return [trainer.train(batch)[0] / (batch.length - 1).sum() for _ in range(steps)]


def test_two_devices_do_the_same_step_as_one():
    root = Path(__file__).parents[2]
    program = [sys.executable, str(Path(__file__).with_name("two_devices.py"))]
    ran = subprocess.run(
        program, cwd=root, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_the_bits_learn_nearly_the_same(precision, batch, full):
    trainer = Trainer(CONFIG, 0, mixed_precision=precision)
    assert all(variable.dtype == "float32" for variable in trainer.model.trainable_variables)
    half = losses(trainer, batch)
    assert half != full
    assert half == pytest.approx(full, rel=2e-3)
    assert half[-1] < half[0]


def test_a_step_that_overflows_is_left_out_and_the_scale_halved(batch):
    trainer = Trainer(
        config_named("basic_rnn", "batch_size=4,rnn_layer_sizes=[8]"), 0, mixed_precision="float16"
    )
    start = trainer.state
    overflowing = start | {"loss_scale/0": np.float32(2.0**40)}
    trainer.restore(overflowing)
    trainer.train(batch)
    state = trainer.state
    assert state["loss_scale/0"] == 2.0**39
    assert state["step/0"] == 1
    for name, value in start.items():
        if name.startswith(("model/", "optimizer/")):
            np.testing.assert_array_equal(state[name], value)
    trainer.restore(start | {"loss_scale/1": np.int64(1999)})
    trainer.train(batch)
    assert trainer.state["loss_scale/0"] == 2 * FIRST_SCALE
    assert trainer.state["loss_scale/1"] == 0


def test_memory_that_a_step_gave_back_is_used_again():
    def pages_from_the_system():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tf.fill([2**26], 1.0).numpy()[0]  # 256 MB, 65,536 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages_from_the_system()
    assert pages_from_the_system() < 1000


def test_what_there_is_not_is_refused():
    with pytest.raises(KakeaiError, match="--gpus asks for 99, but TensorFlow sees"):
        gpu_names(99)
    with pytest.raises(KakeaiError, match="--mixed-precision must be bfloat16 or float16, not 'float8'"):
        check_precision("float8")
    with pytest.raises(KakeaiError, match="a batch of 4 melodies cannot be shared by 5"):
        Trainer(CONFIG, 0, devices=["CPU:0"] * 5)
