"""The SavedModel as a stock TF Serving sees it: its loader, its operations, its warm-up."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from kakeai.model.configs import config_named
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling import sampler
from kakeai.model.saved_model import MOST_STEPS, WARMUP_REQUESTS, export
from kakeai.protos.tensorflow_serving.apis import prediction_log_pb2

# All are in TensorFlow's core, which `tensorflow_model_server` is linked with; none is Python's or XLA's own.
STOCK_OPS = """
AddV2 Any ArgMax AssignVariableOp BatchMatMulV2 BatchMatMulV3 BiasAdd Bitcast BitwiseAnd BitwiseXor
BroadcastTo Cast ConcatV2 Const Cumsum DisableCopyOnRead Equal Exp ExpandDims Fill FloorDiv FloorMod
GatherV2 Greater GreaterEqual Identity IdentityN IsFinite Less Log LogSoftmax LogicalAnd MatMul Max
Maximum MergeV2Checkpoints Min Minimum Mul Neg NoOp NotEqual OneHot Pack Pad PadV2 PartitionedCall
Placeholder Prod Range ReadVariableOp RealDiv Reshape RestoreV2 RightShift Round SaveV2
ScatterNdNonAliasingAdd Select SelectV2 Shape ShardedFilename Sigmoid Sign Softmax Split SplitV Square
Squeeze StatefulPartitionedCall StatelessWhile StaticRegexFullMatch StopGradient StridedSlice StringJoin
Sub Sum Tanh TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
TopKV2 Transpose VarHandleOp While ZerosLike
"""


class Served:
    """A SavedModel in TensorFlow's session-based loader, the one that `tensorflow_model_server` uses."""

    def __init__(self, folder):
        self.folder = folder
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.metagraph = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))

    def ask(self, signature, inputs):
        signature = self.metagraph.signature_def[signature]
        feeds = {signature.inputs[name].name: value for name, value in inputs.items()}
        return self.session.run({name: out.name for name, out in signature.outputs.items()}, feeds)

    def nodes(self):
        graph = self.metagraph.graph_def
        return [node for part in (graph.node, *(f.node_def for f in graph.library.function)) for node in part]


@pytest.fixture(scope="module", params=["basic_rnn", "lookback_rnn", "attention_rnn"])
def model(request):
    return MelodyRnn(config_named(request.param, "rnn_layer_sizes=[8,6],attn_length=5"), seed=1)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "1"
    export(model, folder, "kakeai")
    served = Served(folder)
    yield served
    served.session.close()


def request(steps=16):
    return {
        "melody": np.array([[60, -2, 62, -2], [64, -1, 64, 64]], np.int32),
        "length": np.array([4, 2], np.int32),
        "steps": np.array([steps, 3], np.int32),
        "temperature": np.array([1.0, 0.7], np.float32),
        "seed": np.array([5, -6], np.int64),
    }


def test_the_session_based_loader_answers_as_the_model_does(model, served):
    inputs = request()
    expected = sampler.generate(model, **inputs)
    for signature in ("generate", "serving_default"):
        answer = served.ask(signature, inputs)
        np.testing.assert_array_equal(answer["melody"], expected.melody)
        np.testing.assert_allclose(answer["log_likelihood"], expected.log_likelihood, rtol=1e-5)
    primer = {name: inputs[name] for name in ("melody", "length")}
    likelihood = sampler.score(model, **primer)
    np.testing.assert_allclose(served.ask("score", primer)["log_likelihood"], likelihood, rtol=1e-5)


def test_the_graph_needs_stock_operations_alone(served):
    library = {function.signature.name for function in served.metagraph.graph_def.library.function}
    nodes = served.nodes()
    used = {node.op for node in nodes} - library
    assert not used - set(STOCK_OPS.split())
    for op in used - {"NoOp", "Placeholder"}:
        devices = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op).kernel}
        assert devices & {"CPU", "DEFAULT"}, op
    assert not [node.name for node in nodes if "_XlaMustCompile" in node.attr]


def test_the_warm_up_runs_both_signatures_in_the_shapes_of_one_and_two_bars(served):
    asked = []
    for record in tf.data.TFRecordDataset(str(served.folder / WARMUP_REQUESTS)).as_numpy_iterator():
        predict = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert predict.model_spec.name == "kakeai"
        inputs = {name: tf.make_ndarray(value) for name, value in predict.inputs.items()}
        answer = served.ask(predict.model_spec.signature_name, inputs)
        assert np.isfinite(answer["log_likelihood"]).all()
        if "steps" in inputs:
            assert answer["melody"].shape == (1, inputs["steps"][0])
        asked.append((predict.model_spec.signature_name, inputs["melody"].shape))
    assert set(asked) == {(name, (1, steps)) for name in ("generate", "score") for steps in (16, 32)}


def test_an_answer_has_its_bound(served):
    assert served.ask("generate", request(2**31 - 1))["melody"].shape == (2, MOST_STEPS)
