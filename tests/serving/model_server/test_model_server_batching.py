"""Requests that share a run: the rules of the queue, the merging of tensors, and both behind a real server."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kakeai.errors import KakeaiError
from serving.model_server.batch import merge, rows_of, run_batch, split
from serving.model_server.batching_parameters import BatchingParameters, read_batching_parameters
from serving.model_server.config import ServedModel
from serving.model_server.refusal import Refusal
from serving.model_server.scheduler import Limits, Scheduler
from serving.model_server.task import ANYONE, Caller, Task
from serving.model_server.trial import TrialError, predict

PADDING = BatchingParameters(pad_variable_length_inputs=True)


class Held:
    """A scheduler of one thread, which runs batches only while it is let."""

    def __init__(self, limits: Limits, threads: int = 1):
        self.scheduler = Scheduler(threads)
        self.queue = self.scheduler.open(limits, self.run)
        self.batches: list[list[Task]] = []
        self.started = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.pool = ThreadPoolExecutor(64)
        self.scheduler.start()

    def run(self, _thread, tasks):
        self.batches.append(tasks)
        self.started.release()
        self.let.acquire()
        for task in tasks:
            task.end([np.array(task.rows)])

    def ask(self, rows=1, caller=ANYONE):
        return self.pool.submit(self.queue.result, Task([], rows, caller.deadline), caller)

    def waiting(self):
        return sum(len(batch.tasks) for batch in self.queue._batches)

    def end(self):
        self.scheduler.stop()
        for _ in range(64):
            self.let.release()
        self.scheduler.join()
        self.pool.shutdown()


@pytest.fixture
def held():
    made = []

    def make(*args, **kwargs):
        made.append(Held(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.end()


def hold(one, eventually, *sizes):
    """Let the thread run a first task, and have tasks of these sizes wait behind it, in this order."""
    futures = [one.ask()]
    one.started.acquire()
    for number, size in enumerate(sizes, start=1):
        futures.append(one.ask(size))
        eventually(lambda number=number: one.waiting() == number)
    return futures


def test_what_waits_together_runs_together_in_order(held, eventually):
    one = held(Limits(max_rows=4, max_batches=10))
    futures = hold(one, eventually, 1, 2, 2, 1, 4)
    one.let.release(10)
    assert [int(future.result()[0]) for future in futures] == [1, 1, 2, 2, 1, 4]
    assert [[task.rows for task in batch] for batch in one.batches] == [[1], [1, 2], [2, 1], [4]]


def test_a_full_queue_is_unavailable_in_tf_servings_words(held, eventually):
    one = held(Limits(max_rows=2, max_batches=2))
    hold(one, eventually, 2, 1)
    with pytest.raises(Refusal) as caught:
        one.queue.result(Task([], 2), ANYONE)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert caught.value.message == (
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 2 batches enqueued and max_enqueued_batches is 2"
    )
    room = one.ask(1)  # the last batch has room for one row more
    one.let.release(10)
    assert int(room.result()[0]) == 1


def test_a_task_of_more_rows_than_a_batch_is_refused_in_tf_servings_words(held):
    with pytest.raises(Refusal) as caught:
        held(Limits(max_rows=2)).queue.result(Task([], 3), ANYONE)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.message == "Task size 3 is larger than maximum input batch size 2"


def test_a_batch_waits_for_more_but_not_once_it_is_full(held):
    one = held(Limits(max_rows=2, wait_seconds=3600))
    one.let.release(10)
    futures = [one.ask(), one.ask()]
    assert [int(future.result()[0]) for future in futures] == [1, 1]
    assert len(one.batches) == 1


def test_a_batch_that_is_not_full_runs_after_its_time(held):
    one = held(Limits(max_rows=9, wait_seconds=0.01))
    one.let.release()
    assert int(one.ask().result(timeout=60)[0]) == 1


def test_who_leaves_is_not_run_and_makes_room(held, eventually):
    one = held(Limits(max_rows=1, max_batches=2))
    hold(one, eventually, 1)
    leave = []
    gone = one.ask(caller=Caller(on_leaving=leave.append))
    eventually(lambda: one.waiting() == 2 and leave)
    leave[0]()
    with pytest.raises(Refusal, match="left"):
        gone.result()
    late = one.ask(caller=Caller(deadline=time.monotonic()))
    with pytest.raises(Refusal, match="deadline"):
        late.result()
    assert one.waiting() == 1
    one.let.release(10)
    assert int(one.ask().result()[0]) == 1
    assert len(one.batches) == 3


def test_queues_are_served_in_turn(held, eventually):
    one = held(Limits(max_rows=1))
    order = []
    other = one.scheduler.open(
        Limits(), lambda _, tasks: (order.append("other"), [task.end() for task in tasks])
    )
    first = hold(one, eventually, 1, 1, 1)
    second = one.pool.submit(other.result, Task([]), ANYONE)
    eventually(lambda: other._batches)
    one.let.release()
    second.result(timeout=60)  # it came last, and three still wait or run in the other queue
    assert not first[-1].done()


def test_a_run_that_breaks_tells_those_who_wait_and_the_thread_goes_on(held, caplog):
    one = held(Limits())
    numbers = count()

    def run(_, tasks):
        if next(numbers) == 0:
            raise ZeroDivisionError("division by zero")
        tasks[0].end()

    queue = one.scheduler.open(Limits(), run)
    with pytest.raises(Refusal, match="ZeroDivisionError: division by zero"):
        queue.result(Task([]), ANYONE)
    assert queue.result(Task([]), ANYONE) == ()
    assert "could not be run" in caplog.text


def test_stopping_refuses_what_waits(held, eventually):
    one = held(Limits(max_rows=1))
    futures = hold(one, eventually, 1, 1)
    one.scheduler.stop()
    for future in futures[1:]:
        with pytest.raises(Refusal, match="stopping"):
            future.result()
    one.let.release()
    assert int(futures[0].result()[0]) == 1
    with pytest.raises(Refusal, match="stopping"):
        one.queue.result(Task([]), ANYONE)


# Merging

ragged = st.integers(0, 3).flatmap(
    lambda rank: st.lists(
        hnp.arrays(np.int32, hnp.array_shapes(min_dims=rank + 1, max_dims=rank + 1, max_side=4)),
        min_size=1,
        max_size=6,
    )
)


@given(ragged, st.sampled_from([(), (8, 32), (32,)]))
def test_padding_repeats_the_first_value_and_splitting_undoes_merging(tensors, allowed):
    parameters = BatchingParameters(
        max_batch_size=32, allowed_batch_sizes=allowed, pad_variable_length_inputs=True
    )
    rows = [len(tensor) for tensor in tensors]
    merged = merge([[tensor] for tensor in tensors], parameters)[0]
    assert len(merged) == parameters.allowed(sum(rows))
    assert merged.shape[1:] == tuple(np.max([tensor.shape[1:] for tensor in tensors], axis=0))
    for tensor, (share,) in zip(tensors, split([merged], rows, len(merged)), strict=True):
        inside = tuple(slice(size) for size in tensor.shape)
        np.testing.assert_array_equal(share[inside], tensor)
        padding = np.ones(share.shape, bool)
        padding[inside] = False
        assert (share[padding] == tensor.flat[0]).all()
    filled = merged[sum(rows) :]
    np.testing.assert_array_equal(filled, np.repeat(merged[sum(rows) - rows[-1]][None], len(filled), axis=0))


def test_strings_are_padded_too():
    words = [np.array([[b"a", b"b"]], object), np.array([[b"c"]], object)]
    assert merge([[each] for each in words], PADDING)[0].tolist() == [[b"a", b"b"], [b"c", b"c"]]


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ([], "Batching Run() must have at least one input tensor"),
        ([np.array(1)], "Batching Run() input tensors must have at least one dimension"),
        ([np.ones(2), np.ones(3)], "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_what_cannot_be_batched_is_refused_in_tf_servings_words(feeds, words):
    with pytest.raises(Refusal) as caught:
        rows_of(feeds)
    assert (caught.value.code, caught.value.message) == (grpc.StatusCode.INVALID_ARGUMENT, words)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (np.array(1), "Batched output tensor has 0 dimensions"),
        (
            np.ones(3),
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_outputs_without_rows_are_refused_in_tf_servings_words(output, words):
    with pytest.raises(Refusal) as caught:
        split([output], [1, 1], 2)
    assert (caught.value.code, caught.value.message) == (grpc.StatusCode.FAILED_PRECONDITION, words)


def test_without_padding_only_equal_shapes_share_a_run():
    tasks = [Task([np.full((1, width), width)]) for width in (2, 3, 2)]
    widths = []

    def run(feeds, _deadline):
        widths.append(feeds[0].shape)
        return feeds

    run_batch(tasks, run, BatchingParameters())
    assert sorted(widths) == [(1, 3), (2, 2)]
    assert [task.result()[0].tolist() for task in tasks] == [[[2, 2]], [[3, 3, 3]], [[2, 2]]]


def test_a_run_ends_at_its_latest_deadline():
    tasks = [Task([np.ones(1)], deadline=deadline) for deadline in (3.0, 7.0, 5.0)]
    deadlines = []
    run_batch(tasks, lambda feeds, deadline: (deadlines.append(deadline), feeds)[1], PADDING)
    assert deadlines == [7.0]


# Behind a server


@pytest.fixture
def batching(serve, release, tmp_path):
    def start(**parameters):
        (tmp_path / "tiny").mkdir()
        release(tmp_path / "tiny", 1)
        given = {"num_batch_threads": 1, "max_batch_size": 16, "pad_variable_length_inputs": True}
        client = serve(
            ServedModel("tiny", tmp_path / "tiny"), batching=BatchingParameters(**given | parameters)
        )
        client.server.wait_until_available("tiny", timeout_seconds=60)
        return client

    return start


def tally(client, *melodies, length=None, **options):
    inputs = {
        "melody": np.array(melodies, np.int32),
        "length": np.array([len(melodies[0]) if length is None else length] * len(melodies), np.int32),
    }
    return predict(client.address, "tiny", inputs, "tally", timeout_seconds=60, **options)


def ask_together(client, path, eventually, requests):
    """Requests that come while the one batch thread is held up, and so wait together; their futures."""
    pool = ThreadPoolExecutor(len(requests) + 1)
    inputs = {"path": np.array([str(path).encode()], object)}
    pool.submit(predict, client.address, "tiny", inputs, "linger", timeout_seconds=60)
    eventually(path.with_name("held.arrived").exists)
    before = client.waiting()
    futures = [pool.submit(request) for request in requests]
    eventually(lambda: client.waiting() - before == len(requests))
    path.with_name("held.go").touch()
    pool.shutdown(wait=True)
    return futures


def test_answers_in_a_batch_are_those_alone(batching, tmp_path, eventually):
    client = batching()
    melodies = [list(range(1, width + 1)) for width in range(1, 9)]
    asked = [lambda melody=melody: tally(client, melody) for melody in melodies]
    answers = [future.result() for future in ask_together(client, tmp_path / "held", eventually, asked)]
    assert [answer["sum"].tolist() for answer in answers] == [[sum(melody)] for melody in melodies]
    assert {answer["rows"][0] for answer in answers} == {8}
    assert answers[1]["melody"].tolist() == [[1, 2, 1, 1, 1, 1, 1, 1]]  # padded as TF Serving pads
    assert tally(client, [5, 6], [7, 8])["sum"].tolist() == [11, 15]


def test_one_refused_row_does_not_hurt_the_others(batching, tmp_path, eventually):
    client = batching()
    asked = [lambda n=n: tally(client, [n, n], length=-1 if n == 3 else 2) for n in range(7)]
    futures = ask_together(client, tmp_path / "held", eventually, asked)
    with pytest.raises(TrialError, match="length is negative") as caught:
        futures[3].result()
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert [future.result()["sum"].tolist() for n, future in enumerate(futures) if n != 3] == [
        [2 * n] for n in range(7) if n != 3
    ]


def test_batches_are_filled_up_to_an_allowed_size(batching):
    client = batching(max_batch_size=8, allowed_batch_sizes=(4, 8))
    answer = tally(client, [5, 6])
    assert (answer["sum"].tolist(), answer["rows"].tolist()) == ([11], [4])
    with pytest.raises(TrialError, match="Task size 9 is larger than maximum input batch size 8"):
        tally(client, *[[1]] * 9)


def test_what_a_batch_cannot_hold_is_told(batching):
    client = batching()
    with pytest.raises(TrialError, match=r"at least one dimension \(INVALID_ARGUMENT\)"):
        predict(client.address, "tiny", {"by": np.int64(1)}, signature="count")
    scale = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}
    with pytest.raises(TrialError, match=r"output tensor has 0 dimensions \(FAILED_PRECONDITION\)"):
        predict(client.address, "tiny", scale)


# The parameters file


def test_a_parameters_file(tmp_path):
    path = tmp_path / "batching.config"
    path.write_text(
        """
        max_batch_size { value: 128 }
        batch_timeout_micros { value: 0 }
        max_enqueued_batches { value: 1000000 }
        num_batch_threads { value: 8 }
        thread_pool_name { value: "batches" }
        allowed_batch_sizes: [32, 128]
        pad_variable_length_inputs: true
        """
    )
    assert read_batching_parameters(path) == BatchingParameters(
        128, 0, 1000000, 8, (32, 128), True, "batches"
    )
    path.write_text("")
    assert read_batching_parameters(path) == BatchingParameters()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size: 3", "no BatchingParameters text proto"),
        ("max_batch { value: 3 }", "no BatchingParameters text proto"),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        ("max_enqueued_batches { value: 0 }", "max_enqueued_batches must be positive; was 0"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [4, 4, 8]", "monotonically increasing"),
        ("enable_large_batch_splitting { value: true }", "enable_large_batch_splitting is not done here"),
    ],
)
def test_a_parameters_file_that_cannot_be_followed(tmp_path, text, words):
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(KakeaiError, match=words):
        read_batching_parameters(path)


def test_a_parameters_file_that_is_not_there(tmp_path):
    with pytest.raises(KakeaiError, match="cannot be read"):
        read_batching_parameters(tmp_path / "none")
