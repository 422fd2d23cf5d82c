"""A training in its run's folder: killed between any two writes, in a folder or a bucket, it comes to the same end."""

import numpy as np
import pytest

from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.data.batches import eval_batches, training_batches
from kakeai.model.training import checkpoints, run, training
from kakeai.model.training.trainer import Trainer
from kakeai.model.training.training import Training

STEPS_BETWEEN = 2
STEPS = 6


class KilledError(BaseException):
    """Nothing of the process is left after it."""


@pytest.fixture(scope="module")
def melodies():
    rng = np.random.default_rng(0)
    return [rng.integers(50, 60, 16).astype(np.int8) for _ in range(12)]


@pytest.fixture(scope="module")
def trainer():
    """One whose steps are traced once for all tests; each sets it back."""
    return Trainer(config_named("basic_rnn", "batch_size=4,rnn_layer_sizes=[4]"), 0)


@pytest.fixture(scope="module")
def fresh(trainer):
    return trainer.state


def work(trainer, fresh, run_dir, melodies):
    """Train to the last step, from whatever lies in the folder."""
    trainer.restore(fresh)
    at_work = Training(trainer, run_dir, list(eval_batches(melodies[8:], 4, [16])), writes=True)
    try:
        batches = training_batches(melodies[:8], 4, [16], 0, first=trainer.step)
        while trainer.step < STEPS:
            trainer.train(next(batches))
            if trainer.step % STEPS_BETWEEN == 0:
                at_work.evaluate()
    finally:
        at_work.close()
    return at_work.curve, trainer.state


@pytest.fixture(scope="module")
def uninterrupted(trainer, fresh, melodies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return *work(trainer, fresh, folder, melodies), run.curves(folder)


def check(found, uninterrupted, run_dir):
    curve, state = found
    assert curve == run.curves(run_dir) == uninterrupted[0]
    for name, expected in uninterrupted[1].items():
        np.testing.assert_array_equal(state[name], expected, name)


def test_killed_before_any_write_it_comes_to_the_same_end(
    trainer, fresh, melodies, uninterrupted, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoints, "KEPT_CHECKPOINTS", 2)  # so that some are removed too
    writes = []

    def count_down(write):
        def counted(*arguments, **names):
            writes.append(write)
            if len(writes) == deadly:
                raise KilledError
            return write(*arguments, **names)

        return counted

    for module in (checkpoints, run):
        monkeypatch.setattr(module, "write_whole", count_down(module.write_whole))
    monkeypatch.setattr(training.checkpoints, "prune", count_down(checkpoints.prune))
    deadly = 0
    num_writes = 3 * STEPS // STEPS_BETWEEN
    for deadly in range(1, num_writes + 1):
        writes.clear()
        run_dir = tmp_path / str(deadly)
        with pytest.raises(KilledError):
            work(trainer, fresh, run_dir, melodies)
        check(work(trainer, fresh, run_dir, melodies), uninterrupted, run_dir)
    assert len(checkpoints.steps(run_dir)) <= 3


def test_interrupted_by_hand_it_keeps_every_step(trainer, fresh, melodies, uninterrupted, tmp_path):
    trainer.restore(fresh)
    at_work = Training(trainer, tmp_path, list(eval_batches(melodies[8:], 4, [16])), writes=True)
    batches = training_batches(melodies[:8], 4, [16], 0)
    for _ in range(STEPS_BETWEEN - 1):
        trainer.train(next(batches))
    at_work.save()
    at_work.close()
    assert checkpoints.steps(tmp_path) == [STEPS_BETWEEN - 1]
    check(work(trainer, fresh, tmp_path, melodies), uninterrupted, tmp_path)


def test_a_damaged_checkpoint_is_passed_over(trainer, fresh, melodies, uninterrupted, tmp_path):
    work(trainer, fresh, tmp_path, melodies)
    newest = tmp_path / "checkpoints" / f"{STEPS}.npz"
    for damaged in (newest.read_bytes()[:-100], b""):  # copied by hand, and not to the end
        newest.write_bytes(damaged)
        with pytest.raises(KakeaiError, match=r"6\.npz is damaged"):
            checkpoints.load(tmp_path, STEPS)
        check(work(trainer, fresh, tmp_path, melodies), uninterrupted, tmp_path)


def test_the_best_checkpoint_outlives_newer_ones(tmp_path):
    for step in range(10, 200, 10):
        checkpoints.save(tmp_path, step, {"step": np.array(step)})
        checkpoints.prune(tmp_path, best=30)
    assert checkpoints.steps(tmp_path) == [30, *range(100, 200, 10)]
    state = checkpoints.newest(tmp_path)
    assert state is not None
    assert state["step"] == 190


def test_a_checkpoint_of_another_model_is_refused(trainer):
    other = Trainer(config_named("basic_rnn", "rnn_layer_sizes=[5]"), 0)
    with pytest.raises(KakeaiError, match="fits another model, by model/0"):
        trainer.restore(other.state)
