"""One version of a model, loaded: what a request runs on."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import tensorflow as tf

from kakeai.protos.tensorflow.core.framework.tensor_pb2 import TensorProto
from kakeai.protos.tensorflow.core.protobuf.config_pb2 import ThreadPoolOptionProto
from kakeai.protos.tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from serving.model_server.batch import rows_of, run_batch
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.metrics import Metrics
from serving.model_server.refusal import Refusal
from serving.model_server.scheduler import Limits, Queue, Run, Scheduler
from serving.model_server.signature import DEFAULT_SIGNATURE, chosen_outputs, signature_named, with_defaults
from serving.model_server.task import ANYONE, Array, Caller, Task
from serving.model_server.tensors import array_of, proto_of

SERVING_TAG = "serve"

MAX_TIMEOUT_MS = 2**31 - 1
UNLOADED = Refusal(grpc.StatusCode.UNAVAILABLE, "The model was unloaded before there was an answer")
STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}

# TF Serving's loader has only this name in Python; its notice of deprecation means nothing to a user.
tf.get_logger().addFilter(lambda record: "saved_model.loader_impl" not in record.getMessage())


class Servable:
    """A SavedModel in a session of its own. Any number of threads may call `predict` at once.

    Loaded as tensorflow_model_server loads it: stock ops only, no Python objects.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        scheduler: Scheduler,
        batching: BatchingParameters | None,
        metrics: Metrics,
    ) -> None:
        """Load `folder`, a version of the model `name`.

        Requests run in the threads of `scheduler`, in batches if there is `batching`; `metrics` count them.

        Raises what TensorFlow raises for a folder that is no SavedModel tagged "serve".
        """
        session = tf.compat.v1.Session(graph=tf.Graph(), config=_session_config(len(scheduler.threads)))
        try:
            with session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(session, [SERVING_TAG], str(folder))
        except BaseException:
            session.close()
            raise
        session.graph.finalize()  # nothing may be added by two threads at once
        self._session: tf.compat.v1.Session | None = session
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)
        self._name = name
        self._scheduler = scheduler
        self._batching = batching
        self._metrics = metrics
        self._queues: dict[str, Queue] = {}  # by signature
        self._lock = threading.Lock()

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, TensorProto],
        output_filter: Iterable[str] = (),
        caller: Caller = ANYONE,
    ) -> dict[str, TensorProto]:
        """Run a signature ("" for serving_default) and return its outputs, or those in `output_filter`.

        Raises Refusal for a request that does not fit the signature, that the graph refuses, or that nobody
        waits for any more.
        """
        signature_name = signature_name or DEFAULT_SIGNATURE
        signature = signature_named(signature_name, self.signatures)
        tensors = with_defaults(signature, inputs)
        feeds = [array_of(name, tensors[name], signature.inputs[name]) for name in sorted(signature.inputs)]
        outputs = chosen_outputs(signature, list(output_filter))
        rows = rows_of(feeds) if self._batching else 1
        task = Task(feeds, rows, caller.deadline, _positions(outputs, signature))
        values = self._queue(signature_name).result(task, caller)
        took = (time.monotonic() - task.began) * 1e6
        self._metrics.runtime_latency.add(took, self._name, "Predict", "TF1")
        return {name: proto_of(value) for name, value in zip(outputs, values, strict=True)}

    def close(self) -> None:
        """Free the session and its memory; requests that wait or run are refused."""
        with self._lock:
            queues, self._queues = self._queues, {}
            session, self._session = self._session, None
        for queue in queues.values():
            self._scheduler.close(queue, UNLOADED)
        if session is not None:
            session.close()

    def _queue(self, signature_name: str) -> Queue:
        # One for each signature, whatever outputs requests choose: their number is the model's, not the clients'.
        with self._lock:
            if self._session is None:
                raise UNLOADED.copy()
            queue = self._queues.get(signature_name)
            if queue is None:
                run = self._runner(self._session, self.signatures[signature_name])
                queue = self._queues[signature_name] = self._scheduler.open(_limits(self._batching), run)
            return queue

    def _runner(self, session: tf.compat.v1.Session, signature: SignatureDef) -> Run:
        fetches = [signature.outputs[name].name for name in sorted(signature.outputs)]
        feeds = [signature.inputs[name].name for name in sorted(signature.inputs)]
        call = session.make_callable(fetches, feed_list=feeds, accept_options=True)

        def run(thread: int, tasks: Sequence[Task]) -> None:
            def once(values: Sequence[Array], deadline: float) -> Sequence[Array]:
                with _told_as_refusals():
                    return call(*values, options=_run_options(thread, deadline))

            if self._batching:
                self._run_batch(tasks, once, self._batching)
                return
            for task in tasks:
                try:
                    task.end(task.chosen(once(task.feeds, task.deadline)))
                except Refusal as refusal:
                    task.end(error=refusal)

        return run

    def _run_batch(
        self,
        tasks: Sequence[Task],
        once: Callable[[Sequence[Array], float], Sequence[Array]],
        batching: BatchingParameters,
    ) -> None:
        metrics, now = self._metrics, time.monotonic()
        for task in tasks:
            metrics.queuing_latency.add((now - task.began) * 1e6, batching.thread_pool_name)
            metrics.input_batch_size.add(task.rows)

        def counted(values: Sequence[Array], deadline: float) -> Sequence[Array]:
            metrics.processed_batch_size.add(len(values[0]))
            return once(values, deadline)

        run_batch(tasks, counted, batching)


def _positions(outputs: Sequence[str], signature: SignatureDef) -> list[int]:
    """Where each output stands among all that a run gives."""
    places = {name: place for place, name in enumerate(sorted(signature.outputs))}
    return [places[name] for name in outputs]


def _session_config(threads: int) -> tf.compat.v1.ConfigProto:
    # A pool of one thread for each of the scheduler's: the steps of a small recurrent network are too short to
    # be handed from thread to thread, and only what runs in a pool can be stopped at its deadline. The first pool
    # is the one that loads.
    names = ["load", *(f"run-{number}" for number in range(threads))]
    pools = [ThreadPoolOptionProto(num_threads=1, global_name=name) for name in names]
    return tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, session_inter_op_thread_pool=pools)


def _run_options(thread: int, deadline: float) -> tf.compat.v1.RunOptions:
    options = tf.compat.v1.RunOptions(inter_op_thread_pool=thread + 1)
    milliseconds = (deadline - time.monotonic()) * 1e3
    if milliseconds < MAX_TIMEOUT_MS:  # a later one is none
        options.timeout_in_ms = max(int(milliseconds), 1)
    return options


@contextmanager
def _told_as_refusals() -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        # The session's Python face wraps the graph's own words, which TF Serving sends, in some of its own.
        told = error.__context__ if isinstance(error.__context__, tf.errors.OpError) else error
        raise Refusal(STATUS_CODES[error.error_code], told.message) from error
    except RuntimeError as error:
        raise UNLOADED.copy() from error


def _limits(batching: BatchingParameters | None) -> Limits:
    if batching is None:
        return Limits()
    return Limits(batching.max_batch_size, batching.batch_timeout_micros / 1e6, batching.max_enqueued_batches)
