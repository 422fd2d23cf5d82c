"""Predict and GetModelMetadata over real gRPC."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework.tensor_pb2 import TensorProto

from kakeai.protos.tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from kakeai.protos.tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    SignatureDefMap,
)
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from serving.model_server.client import PredictError, predict
from serving.model_server.tensors import proto_of

X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
K = np.array([2, 10], np.int32)


def request(model="tiny", signature="", inputs=None, **spec):
    message = PredictRequest(model_spec={"name": model, "signature_name": signature})
    for name, value in ({"x": X, "k": K} if inputs is None else inputs).items():
        message.inputs[name].CopyFrom(
            value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        )
    if "version" in spec:
        message.model_spec.version.value = spec["version"]
    if "label" in spec:
        message.model_spec.version_label = spec["label"]
    message.output_filter.extend(spec.get("output_filter", []))
    return message


def refused(tiny, message) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        tiny.prediction.Predict(message)
    return caught.value.code(), caught.value.details()


def test_the_newest_version_answers(tiny):
    outputs = predict(tiny.address, "tiny", {"x": X, "k": K})
    np.testing.assert_array_equal(outputs["y"], [[2, 4, 6], [40, 50, 60]])
    assert outputs["y"].dtype == np.float32
    assert outputs["number"] == 3


def test_the_response_says_what_answered(tiny):
    spec = tiny.prediction.Predict(request()).model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("tiny", 3, "serving_default")


def test_a_version_by_number_and_by_label(tiny):
    assert predict(tiny.address, "tiny", {"x": X, "k": K}, version=1)["number"] == 1
    assert tiny.prediction.Predict(request(label="stable")).model_spec.version.value == 1


def test_an_empty_batch(tiny):
    assert predict(tiny.address, "tiny", {"x": X[:0], "k": K[:0]})["y"].shape == (0, 3)


def test_a_request_of_many_megabytes(tiny):
    rows = 2**20  # 12 MiB of x, three times gRPC's own limit
    message = request(
        inputs={"x": np.ones((rows, 3), np.float32), "k": np.ones(rows, np.int32)}, output_filter=["number"]
    )
    assert tiny.prediction.Predict(message).model_spec.version.value == 3


def test_strings(tiny):
    words = np.array([[b"call", b""], [b"and", b"response"]], object)
    outputs = predict(tiny.address, "tiny", {"words": words}, signature="shout")
    assert outputs["words"].tolist() == [[b"CALL", b""], [b"AND", b"RESPONSE"]]
    assert predict(tiny.address, "tiny", {"words": words[:0]}, signature="shout")["words"].shape == (0, 2)


def test_typed_fields_and_raw_content_are_the_same(tiny):
    typed = tf.make_tensor_proto(K)
    typed.ClearField("tensor_content")
    typed.int_val.extend(K.tolist())
    response = tiny.prediction.Predict(request(inputs={"x": X, "k": typed}))
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), [[2, 4, 6], [40, 50, 60]])


def test_output_filter(tiny):
    assert list(tiny.prediction.Predict(request(output_filter=["number"])).outputs) == ["number"]
    assert refused(tiny, request(output_filter=["z"])) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "output tensor alias not found in signature: z Outputs expected to be in the set {number,y}.",
    )
    code, message = refused(tiny, request(output_filter=["y", "y"]))
    assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: y")


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (request(model="foo"), grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(foo)"),
        (request(version=2), grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(tiny, 2)"),
        (
            request(label="gone"),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(tiny, 2)",
        ),
        (
            request(label="canary"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Unrecognized servable version label: canary",
        ),
        (request(model=""), grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (
            request(signature="sing"),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "sing" not found.',
        ),
        # Every TF2 SavedModel has this entry in its signature map; it is no signature to a client.
        (
            request(signature="__saved_model_init_op", inputs={}),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "__saved_model_init_op" not found.',
        ),
        (
            request(inputs={"x": X}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "input size does not match signature: 1!=2 len({x}) != len({k,x}). "
            "Sent extra: {}. Missing but required: {k}.",
        ),
        (
            request(inputs={"x": X, "k": K, "z": K}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "input size does not match signature: 3!=2 len({k,x,z}) != len({k,x}). "
            "Sent extra: {z}. Missing but required: {}.",
        ),
        (
            request(inputs={"x": X, "z": K}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Signature input alias: k(feed name: serving_default_k:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {x,z}, or default input alias set: ",
        ),
        (
            request(inputs={"x": X, "k": K.astype(np.int64)}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Expected input k to be int32 but get int64.",
        ),
        (
            request(inputs={"x": X[:, :2], "k": K}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Expected input x to have shape [?,3] but get [2,2].",
        ),
        (
            request(inputs={"x": X, "k": K[:, None]}),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Expected input k to have shape [?] but get [2,1].",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_tf_servings_words(tiny, message, code, words):
    assert refused(tiny, message) == (code, words)


def test_what_the_graph_refuses_names_the_reason(tiny):
    code, message = refused(tiny, request(inputs={"x": X, "k": np.zeros(5, np.int32)}))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "Incompatible shapes" in message


def test_a_long_message_is_cut_to_what_a_client_takes(tiny):
    assert refused(tiny, request(model="f" * 20_000)) == (
        grpc.StatusCode.NOT_FOUND,
        ("Servable not found for request: Latest(" + "f" * 20_000)[:1024] + "...TRUNCATED",
    )


def mangled(**changes):
    tensor = tf.make_tensor_proto(K)
    for name, value in changes.items():
        if name == "dims":
            for dim, size in zip(tensor.tensor_shape.dim, value, strict=True):
                dim.size = size
        elif name == "unknown_rank":
            tensor.tensor_shape.unknown_rank = value
        elif name == "int_val":
            tensor.ClearField("tensor_content")
            tensor.int_val.extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (mangled(dims=[-1]), "tensor parsing error: k"),
        (mangled(unknown_rank=True), "tensor parsing error: k"),
        (mangled(dtype=9999), "tensor parsing error: k"),
        (mangled(tensor_content=b"123"), "tensor parsing error: k"),
        (mangled(int_val=[1, 2, 3]), "tensor parsing error: k"),
        (mangled(int_val=[1], dims=[2**60]), "Expected input k to be of at most 268435456 bytes"),
        (mangled(int_val=[1], dims=[2**28]), "Expected input k to be of at most"),  # a gibibyte, in ten bytes
        (tf.make_tensor_proto([b"2", b"3"]), "Expected input k to be int32 but get string."),
    ],
)
def test_a_mangled_tensor_is_refused_and_the_server_goes_on(tiny, tensor, words):
    code, message = refused(tiny, request(inputs={"x": X, "k": tensor}))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert words in message
    assert tiny.prediction.Predict(request()).model_spec.version.value == 3


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from(["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_results_come_over_the_wire_as_they_were(array):
    back = tf.make_ndarray(proto_of(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_a_string_scalar_comes_over_the_wire():
    assert tf.make_ndarray(proto_of(b"a\0b")).item() == b"a\0b"


def test_trial_says_in_a_sentence_what_went_wrong(tiny):
    with pytest.raises(PredictError) as caught:
        predict(tiny.address, "foo", {})
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert str(caught.value) == (
        f"The model server at {tiny.address} gave no answer for model foo: "
        "Servable not found for request: Latest(foo) (NOT_FOUND)"
    )


def metadata(tiny, **fields):
    return tiny.prediction.GetModelMetadata(GetModelMetadataRequest(**fields))


def test_metadata_tells_the_signatures(tiny):
    response = metadata(tiny, model_spec={"name": "tiny"}, metadata_field=["signature_def"])
    assert (response.model_spec.name, response.model_spec.version.value) == ("tiny", 3)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    assert {n: (i.dtype, [d.size for d in i.tensor_shape.dim]) for n, i in default.inputs.items()} == {
        "x": (tf.float32.as_datatype_enum, [-1, 3]),
        "k": (tf.int32.as_datatype_enum, [-1]),
    }
    assert set(default.outputs) == {"y", "number"}
    assert {"shout", "count", "linger"} < set(signatures.signature_def)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (
            {"model_spec": {"name": "tiny"}},
            grpc.StatusCode.INVALID_ARGUMENT,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            {"model_spec": {"name": "tiny"}, "metadata_field": ["size"]},
            grpc.StatusCode.INVALID_ARGUMENT,
            "Metadata field size is not supported",
        ),
        ({"metadata_field": ["signature_def"]}, grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"),
        (
            {"model_spec": {"name": "foo"}, "metadata_field": ["signature_def"]},
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Latest(foo)",
        ),
    ],
)
def test_metadata_refuses_in_tf_servings_words(tiny, fields, code, words):
    with pytest.raises(grpc.RpcError) as caught:
        metadata(tiny, **fields)
    assert (caught.value.code(), caught.value.details()) == (code, words)


def test_what_is_not_served_here_says_so(tiny):
    with pytest.raises(grpc.RpcError) as caught:
        tiny.prediction.Classify(ClassificationRequest())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_health_and_reflection(tiny):
    health = health_pb2_grpc.HealthStub(tiny.channel)
    for service in ("", "PredictionService", "ModelService"):
        status = health.Check(health_pb2.HealthCheckRequest(service=service)).status
        assert status == health_pb2.HealthCheckResponse.SERVING
    assert set(ProtoReflectionDescriptorDatabase(tiny.channel).get_services()) == {
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
