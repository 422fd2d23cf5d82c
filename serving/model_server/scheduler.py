"""Tasks wait here for a thread, and for others to share a batch with: TF Serving's SharedBatchScheduler.

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/kernels/batching_util/shared_batch_scheduler.h
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc

from kakeai.processors import usable_processors
from serving.model_server.refusal import Refusal
from serving.model_server.task import Array, Caller, Task

Run = Callable[[int, Sequence[Task]], None]  # ends every task of a batch, in the thread of that number

PROCESSORS = usable_processors()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When the tasks of a queue become batches; by default, at once and each by itself.

    Attributes:
        max_rows: Rows of the largest batch.
        wait_seconds: How long a batch that could hold more waits for it while a thread is free.
        max_batches: Batches that may wait.
    """

    max_rows: int = 1
    wait_seconds: float = 0.0
    max_batches: float = math.inf


@dataclass(eq=False)
class _Batch:
    began: float
    tasks: list[Task] = field(default_factory=list)
    rows: int = 0

    def add(self, task: Task) -> None:
        self.tasks.append(task)
        self.rows += task.rows

    def remove(self, task: Task) -> None:
        self.tasks.remove(task)
        self.rows -= task.rows


class Queue:
    """Tasks of one kind, in the order they came. Made by `Scheduler.open`."""

    def __init__(self, limits: Limits, run: Run, changed: threading.Condition) -> None:
        """Empty; `changed` is the scheduler's and guards everything here."""
        self.run = run
        self._limits = limits
        self._changed = changed
        self._batches: deque[_Batch] = deque()  # only the last one still takes tasks
        self._closed: Refusal | None = None

    def result(self, task: Task, caller: Caller) -> Sequence[Array]:
        """The outputs of a task, once a thread has run it.

        Raises Refusal if the queue is full, if the caller leaves or their deadline passes first, and for
        whatever the run raises.
        """
        with self._changed:
            self._add(task)
            self._changed.notify()
        caller.on_leaving(
            lambda: self._give_up(task, Refusal(grpc.StatusCode.CANCELLED, "The client has left"))
        )
        task.wait()
        self._give_up(
            task,
            Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline passed before there was an answer"),
        )
        return task.result()

    def close(self, why: Refusal) -> None:
        """Take no more tasks, and end those that wait."""
        with self._changed:
            self._closed = why
            waiting = [task for batch in self._batches for task in batch.tasks]
            self._batches.clear()
        for task in waiting:
            task.end(error=why)

    # For the scheduler, under its lock

    def take(self, now: float) -> Sequence[Task]:
        """The next batch, if one is full or has waited long enough; else nothing."""
        return self._batches.popleft().tasks if now >= self.due() else []

    def due(self) -> float:
        """When there is a batch to take."""
        if not self._batches:
            return math.inf
        first = self._batches[0]
        full = len(self._batches) > 1 or first.rows >= self._limits.max_rows
        return -math.inf if full else first.began + self._limits.wait_seconds

    def _add(self, task: Task) -> None:
        limits = self._limits
        if self._closed is not None:
            raise self._closed.copy()
        if task.rows > limits.max_rows:
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Task size {task.rows} is larger than maximum input batch size {limits.max_rows}",
            )
        if not self._batches or self._batches[-1].rows + task.rows > limits.max_rows:
            if len(self._batches) >= limits.max_batches:
                raise Refusal(
                    grpc.StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; currently "
                    f"{len(self._batches)} batches enqueued and max_enqueued_batches is {limits.max_batches}",
                )
            self._batches.append(_Batch(time.monotonic()))
        self._batches[-1].add(task)

    def _give_up(self, task: Task, why: Refusal) -> None:
        if task.has_ended:
            return
        with self._changed:
            for batch in self._batches:
                if task in batch.tasks:
                    batch.remove(task)
                    if not batch.tasks:
                        self._batches.remove(batch)
                    break
        task.end(error=why)


class Scheduler:
    """A fixed number of threads that take batches from any number of queues in turn."""

    def __init__(self, threads: int) -> None:
        """A scheduler of `threads` threads, numbered from 0; they run from `start` on."""
        self._changed = threading.Condition()
        self._queues: list[Queue] = []  # the one to be asked first in front
        self._stopping = False
        self.threads = [
            threading.Thread(target=self._work, args=(number,), name=f"run-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin to run batches."""
        for thread in self.threads:
            thread.start()

    def open(self, limits: Limits, run: Run) -> Queue:
        """A new queue, whose batches go to `run`."""
        queue = Queue(limits, run, self._changed)
        with self._changed:
            if self._stopping:
                queue.close(_STOPPING)
            self._queues.append(queue)
        return queue

    def close(self, queue: Queue, why: Refusal) -> None:
        """Forget a queue; what waits in it is refused."""
        queue.close(why)
        with self._changed:
            self._queues = [other for other in self._queues if other is not queue]

    def stop(self) -> None:
        """Refuse all that waits; the threads end after the batch that each one runs."""
        with self._changed:
            self._stopping = True
            queues, self._queues = self._queues, []
            self._changed.notify_all()
        for queue in queues:
            queue.close(_STOPPING)

    def join(self) -> None:
        """Wait until the threads have ended."""
        for thread in self.threads:
            thread.join()

    def _work(self, number: int) -> None:
        while _ended(number, self._next()):
            pass

    def _next(self) -> tuple[Queue, Sequence[Task]] | None:
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                if batch := self._take(now):
                    self._changed.notify()  # another thread waits for what is left
                    return batch
                due = min((queue.due() for queue in self._queues), default=math.inf)
                self._changed.wait(None if due == math.inf else max(due - now, 0))
        return None

    def _take(self, now: float) -> tuple[Queue, Sequence[Task]] | None:
        for queue in self._queues:
            if tasks := queue.take(now):
                self._queues.remove(queue)
                self._queues.append(queue)
                return queue, tasks
        return None


# A function of its own, as `_take` is: a thread that waits for its next batch must hold no queue, for a queue
# keeps its model's session in memory.
def _ended(number: int, batch: tuple[Queue, Sequence[Task]] | None) -> bool:
    """Run a batch until every task has ended; False for none."""
    if batch is None:
        return False
    queue, tasks = batch
    try:
        queue.run(number, tasks)
    except Exception as error:  # every task must end, and the thread goes on
        log.exception("a batch of %d could not be run", len(tasks))
        refusal = Refusal(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        for task in tasks:
            task.end(error=refusal)
    return True


_STOPPING = Refusal(grpc.StatusCode.UNAVAILABLE, "The model server is stopping")
