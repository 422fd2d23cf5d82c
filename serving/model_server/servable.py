"""One version of a model, loaded: what a request runs on."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.model_server.refusal import Refusal
from serving.model_server.tensors import array_of, proto_of

SERVING_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"
PREDICTABLE_METHODS = tuple(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))

# Every op runs in the thread of its request (inter_op < 0, config.proto): the steps of a small recurrent
# network are too short to be worth a hand-over. On two cores, networks of 128 units a layer take so 73 to 82
# % of the time that TensorFlow's own thread pools make of it, and eight clients at once get no fewer answers.
SESSION_THREADS = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1, intra_op_parallelism_threads=1)

# TF Serving's loader has only this name in Python; its notice of deprecation means nothing to a user.
tf.get_logger().addFilter(lambda record: "saved_model.loader_impl" not in record.getMessage())


class Servable:
    """A SavedModel in a session of its own. Any number of threads may call `predict` at once.

    Loaded as tensorflow_model_server loads it: stock ops only, no Python objects.
    """

    def __init__(self, folder: Path) -> None:
        """Load `folder`. Raises what TensorFlow raises for one that is no SavedModel tagged "serve"."""
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=SESSION_THREADS)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [SERVING_TAG], str(folder))
        except BaseException:
            self._session.close()
            raise
        self._session.graph.finalize()  # nothing may be added by two threads at once
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)
        self._runners: dict[tuple[str, tuple[str, ...]], Callable[..., list[Any]]] = {}

    def predict(
        self, signature_name: str, inputs: Mapping[str, TensorProto], output_filter: Iterable[str] = ()
    ) -> dict[str, TensorProto]:
        """Run a signature ("" for serving_default) and return its outputs, or those in `output_filter`.

        Raises Refusal for a request that does not fit the signature, tf.errors.OpError for one that the graph
        refuses.
        """
        signature_name = signature_name or DEFAULT_SIGNATURE
        signature = self._signature(signature_name)
        tensors = _with_defaults(signature, inputs)
        feeds = [array_of(name, tensors[name], signature.inputs[name]) for name in sorted(signature.inputs)]
        outputs = _chosen_outputs(signature, list(output_filter))
        values = self._runner(signature_name, outputs)(*feeds)
        return {name: proto_of(value) for name, value in zip(outputs, values, strict=True)}

    def close(self) -> None:
        """Free the session; runs that are under way end with tf.errors.CancelledError."""
        self._session.close()

    def _signature(self, name: str) -> SignatureDef:
        signature = self.signatures.get(name)
        if signature is None or signature.method_name not in PREDICTABLE_METHODS:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return signature

    def _runner(self, signature_name: str, outputs: tuple[str, ...]) -> Callable[..., list[Any]]:
        runner = self._runners.get((signature_name, outputs))
        if runner is None:
            signature = self.signatures[signature_name]
            runner = self._session.make_callable(
                [signature.outputs[name].name for name in outputs],
                feed_list=[signature.inputs[name].name for name in sorted(signature.inputs)],
            )
            self._runners[signature_name, outputs] = runner
        return runner


def _with_defaults(signature: SignatureDef, inputs: Mapping[str, TensorProto]) -> dict[str, TensorProto]:
    tensors = {**signature.defaults, **inputs}
    extra, missing = set(tensors) - set(signature.inputs), set(signature.inputs) - set(tensors)
    if extra or missing:
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
            f"len({_braced(inputs)}) != len({_braced(signature.inputs)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}.",
        )
    return tensors


def _chosen_outputs(signature: SignatureDef, output_filter: list[str]) -> tuple[str, ...]:
    for name in output_filter:
        if name not in signature.outputs:
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}.",
            )
        if output_filter.count(name) > 1:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"duplicate output tensor alias: {name}")
    # Sorted, so that as few runners are kept as there are sets of outputs.
    return tuple(sorted(output_filter or signature.outputs))


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
