"""Training: it learns, it goes on where it was killed, it warns, and it refuses."""

import hashlib
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from kakeai.errors import KakeaiError
from kakeai.model.configs import CONFIGS, config_named
from kakeai.model.data.dataset import EVAL, write_dataset
from kakeai.model.encodings.whole_melodies import encoding_of
from kakeai.model.magenta.bundle import write_bundle
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.training import checkpoints, trainer
from kakeai.model.training import run as training_run
from kakeai.model.training.learning_curve import overfitting
from kakeai.running.termination import sigterm_interrupts
from kakeai.stages.train import train
from kakeai.storage import location

SMALL = "batch_size=8,rnn_layer_sizes=[8],learning_rate=0.01"


@pytest.mark.parametrize("config", CONFIGS)
def test_every_configuration_learns(config, scales, tmp_path):
    result = train(scales, tmp_path, config, SMALL, num_training_steps=60)
    assert result.step == 60
    chance = np.log(encoding_of(CONFIGS[config]).num_classes)
    assert result.eval.loss < 0.6 * chance


def test_both_sides_are_logged_for_tensorboard(scales, tmp_path):
    result = train(scales, tmp_path, "basic_rnn", SMALL, num_training_steps=50)
    names = {f"metrics/{n}" for n in ("perplexity", "accuracy", "event_accuracy", "no_event_accuracy")}
    for side in ("train", "eval"):
        log = EventAccumulator(str(tmp_path / side)).Reload()
        assert {"loss", *names} <= set(log.Tags()["tensors"])
        (event,) = log.Tensors("loss")
        assert event.step == 50
        assert tf.make_ndarray(event.tensor_proto) == pytest.approx(getattr(result, side).loss, rel=1e-5)


def test_killed_training_goes_on_from_its_last_checkpoint(scales, tmp_path, kakeai_path):
    settings = ["--config", "basic_rnn", "--hparams", SMALL, "--num-training-steps", "5000"]
    command = [kakeai_path, "train", str(scales), "--run-dir", str(tmp_path / "killed"), *settings]
    curves = tmp_path / "killed" / "curves.jsonl"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as training:
        deadline = time.monotonic() + 120
        while not (curves.exists() and curves.read_text().count("\n") >= 2):
            assert training.poll() is None, "training ended by itself"
            assert time.monotonic() < deadline, "no checkpoint in time"
            time.sleep(0.02)
        os.kill(training.pid, signal.SIGKILL)
    reached = checkpoints.steps(tmp_path / "killed")[-1]
    assert reached >= 50
    goal = reached + 50

    steps = []
    train(scales, tmp_path / "killed", None, SMALL, goal, on_progress=lambda at: steps.append(at.step))
    assert steps == list(range(reached, goal + 1))

    train(scales, tmp_path / "whole", None, SMALL, goal)
    killed, whole = (training_run.curves(tmp_path / name) for name in ("killed", "whole"))
    assert [point["step"] for point in killed] == [point["step"] for point in whole]
    assert killed == whole
    for name, expected in checkpoints.load(tmp_path / "whole", goal).items():
        np.testing.assert_array_equal(checkpoints.load(tmp_path / "killed", goal)[name], expected, name)


def test_killed_while_it_uploads_a_checkpoint_it_goes_on_from_the_one_before(
    scales, tmp_path, kakeai_path, bucket
):
    run_dir, goal, uploads = bucket.folder(), 150, 0

    def kill_at_second_checkpoint(call):
        # Each evaluation uploads the curve, two logs and then the checkpoint.
        nonlocal uploads
        if call.method == "POST" and "checkpoints/50.npz" in bucket.names(run_dir):
            uploads += 1
            if uploads == 4:
                training.kill()
                return 503
        return None

    settings = ["--config", "basic_rnn", "--hparams", SMALL, "--num-training-steps", str(goal)]
    with bucket.answering(kill_at_second_checkpoint):
        training = subprocess.Popen([kakeai_path, "train", str(scales), "--run-dir", run_dir, *settings])
        assert training.wait(120) == -signal.SIGKILL
    assert [name for name in bucket.names(run_dir) if name.startswith("checkpoints/")] == [
        "checkpoints/50.npz"
    ]
    steps = []
    result = train(scales, location(run_dir), None, SMALL, goal, on_progress=lambda at: steps.append(at.step))
    assert steps == list(range(50, goal + 1))
    assert result == train(scales, tmp_path, None, SMALL, goal)
    for kept in ("curves.jsonl", "run.json"):
        assert bucket.read(f"{run_dir}/{kept}") == (tmp_path / kept).read_bytes()
    assert checkpoints.steps(location(run_dir)) == [50, 100, 150]
    for name, expected in checkpoints.load(tmp_path, goal).items():
        np.testing.assert_array_equal(checkpoints.load(location(run_dir), goal)[name], expected, name)
    logs = tmp_path / "logs"
    location(f"{run_dir}/eval").copytree(logs)
    events = EventAccumulator(str(logs)).Reload().Tensors("loss")
    assert [event.step for event in events] == [50, 100, 100, 150]  # TensorBoard shows one of equals
    assert training_run.load_model(location(run_dir))[1] == result.best_step


def curve(*losses):
    return [
        {"step": 50 * (i + 1), "train": {"loss": train_loss}, "eval": {"loss": eval_loss}}
        for i, (train_loss, eval_loss) in enumerate(losses)
    ]


def test_overfitting_is_told_in_words():
    falling = [(2.0 - 0.1 * i, 2.1 - 0.1 * i) for i in range(5)]
    rising = [(1.5 - 0.1 * i, 1.8 + 0.05 * i) for i in range(4)]
    assert overfitting(curve(*falling)) == ""
    assert overfitting(curve(*falling, *rising[:2])) == ""
    warning = overfitting(curve(*falling, *rising))
    assert "since step 250 the loss on held-out tunes rose from 1.700 to 1.950" in warning
    # Both sides rise: that is no overfitting but a training that goes wrong.
    assert overfitting(curve(*falling, *[(3.0, 3.0)] * 5)) == ""


def test_layers_that_are_compiled_learn_the_same(scales, tmp_path, monkeypatch):
    settings = (
        "lookback_rnn",
        f"batch_size=32,rnn_layer_sizes=[{trainer.COMPILED_UNITS}],learning_rate=0.01",
        10,
    )
    compiled = train(scales, tmp_path / "compiled", *settings)
    monkeypatch.setattr(trainer, "COMPILED_UNITS", 1000)
    interpreted = train(scales, tmp_path / "interpreted", *settings)
    assert compiled.eval.loss == pytest.approx(interpreted.eval.loss, rel=1e-4)
    assert compiled.train.loss == pytest.approx(interpreted.train.loss, rel=1e-4)


def test_a_pod_that_is_taken_away_keeps_every_step(scales, tmp_path):
    def end_at_step_30(at):
        if at.step == 30:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), sigterm_interrupts():
        train(scales, tmp_path, "basic_rnn", SMALL, on_progress=end_at_step_30)
    assert checkpoints.steps(tmp_path) == [30]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_gpu_image_says_so_where_it_finds_no_gpu(scales, tmp_path, monkeypatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
    said = []
    train(scales, tmp_path, "basic_rnn", SMALL, 1, on_progress=lambda at: said.append(at.warning))
    assert said[0] == "TensorFlow is built for GPUs and sees none here: training on processors"
    assert said[1:] == [""] * len(said[1:])
    said.clear()
    train(
        scales,
        tmp_path / "none",
        "basic_rnn",
        SMALL,
        1,
        gpus=0,
        on_progress=lambda at: said.append(at.warning),
    )
    assert set(said) == {""}  # it was asked to use none


def test_training_ends_when_held_out_loss_falls_no_more(scales, tmp_path):
    # What is held out is nothing like what is learnt, so learning makes it less likely from the first step on.
    dataset = tmp_path / "dataset"
    shutil.copytree(scales, dataset)
    write_dataset(dataset / EVAL, [(np.full(64, 83, np.int8), "monotone.mid")] * 8)
    settings = ("basic_rnn", SMALL, 400)
    result = train(dataset, tmp_path / "run", *settings, early_stopping=2)
    assert result.step < 400
    assert result.best_step == result.step - 100
    assert result.stopped == (
        f"stopped at step {result.step}: no lower held-out loss since step {result.best_step}, which is used"
    )
    assert training_run.load_model(tmp_path / "run")[1] == result.best_step
    steps = []
    assert train(dataset, tmp_path / "run", *settings, early_stopping=2, on_progress=steps.append) == result
    assert [at.step for at in steps] == [result.step]
    goal = result.step + 1
    assert train(dataset, tmp_path / "run", *settings[:2], goal, early_stopping=0).step == goal


def test_a_folder_holds_one_training(scales, tmp_path):
    train(scales, tmp_path, "basic_rnn", SMALL, num_training_steps=1)
    with pytest.raises(KakeaiError, match="holds a training with another hparams; give a new --run-dir"):
        train(scales, tmp_path, "basic_rnn", "rnn_layer_sizes=[9]", num_training_steps=1)


def test_a_training_starts_from_a_bundle(scales, tmp_path):
    model = MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[6],batch_size=16"), seed=5)
    bundle = tmp_path / "some.mag"
    write_bundle(model, bundle, "by hand")
    run_dir = tmp_path / "run"
    train(scales, run_dir, hparams="learning_rate=1e-9", num_training_steps=1, warm_start=str(bundle))
    started, _ = training_run.load_model(run_dir)
    for found, expected in zip(started.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-7)
    run = training_run.read(run_dir)
    assert run.warm_start == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert run.parsed_config().hparams.rnn_layer_sizes == (6,)

    train(
        scales, run_dir, hparams="learning_rate=1e-9", num_training_steps=2, warm_start=str(bundle)
    )  # goes on
    for arguments, told in (
        (
            {"hparams": "rnn_layer_sizes=[7]"},
            "some.mag has rnn_layer_sizes \\[6\\], not \\[7\\]; leave rnn_layer_sizes out",
        ),
        ({"config": "mono_rnn"}, "some.mag holds a basic_rnn model, not mono_rnn; leave --config out"),
    ):
        with pytest.raises(KakeaiError, match=told):
            train(scales, tmp_path / "other", warm_start=str(bundle), **arguments)
    with pytest.raises(KakeaiError, match="another hparams and warm_start"):
        train(scales, run_dir, "basic_rnn", "rnn_layer_sizes=[6]")


def test_bad_input_is_refused_before_anything_is_written(scales, tmp_path):
    run_dir = tmp_path / "run"
    for arguments, told in (
        ({"config": "jazz_rnn"}, "unknown config 'jazz_rnn'"),
        ({"hparams": "sizes=3"}, "unknown hparam 'sizes=3'"),
        ({"num_training_steps": 0}, "--num-training-steps must be 1 or more"),
        ({"dataset": tmp_path / "none"}, "is no dataset"),
    ):
        with pytest.raises(KakeaiError, match=told):
            train(**{"dataset": scales, "run_dir": run_dir, **arguments})
    assert not run_dir.exists()
