"""The rules of the queue in which requests wait for a thread and for each other."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import numpy as np
import pytest

from serving.model_server.refusal import Refusal
from serving.model_server.scheduler import Limits, Scheduler
from serving.model_server.task import ANYONE, Caller, Task


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
