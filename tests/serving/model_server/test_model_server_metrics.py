"""What Prometheus reads of the model server: TF Serving's metrics, where its flags put them."""

import re
import urllib.error
import urllib.request

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from serving.model_server.__main__ import main
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.client import PredictError, predict
from serving.model_server.config import All, ServedModel
from serving.model_server.monitoring import read_monitoring_config

INPUTS = {"melody": np.ones((1, 3), np.int32), "length": np.array([2], np.int32)}
PATH = "/monitoring/prometheus/metrics"


def _read(port, path=PATH):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


def _metrics(port):
    """Values by name and labels, and kinds by name, as Prometheus's own parser reads them."""
    families = list(text_string_to_metric_families(_read(port)))
    # That parser gives every counter the ending of newer ones, which Prometheus itself does not.
    samples = {
        (sample.name.removesuffix("_total"), *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return samples, {family.name: family.type for family in families}


@pytest.fixture
def served(serve, release, tmp_path):
    """A batching server of a warm and a broken version, and the port of its metrics."""
    import tensorflow as tf

    base = tmp_path / "tiny"
    base.mkdir()
    warmup = predict_pb2.PredictRequest(model_spec={"name": "tiny", "signature_name": "tally"})
    for name, value in INPUTS.items():
        warmup.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    release(base, 1, [prediction_log_pb2.PredictionLog(predict_log={"request": warmup})])
    (base / "2").mkdir()
    (base / "2" / "saved_model.pb").write_bytes(b"no model")
    client = serve(
        ServedModel("tiny", base, All()),
        batching=BatchingParameters(max_batch_size=4, allowed_batch_sizes=(4,)),
    )
    client.server.wait_until_available("tiny", timeout_seconds=60)
    return client, client.server.serve_metrics(PATH)


def test_requests_batches_and_versions_are_counted_by_tf_servings_names(served, tmp_path, eventually):
    client, port = served
    for _ in range(3):
        predict(client.address, "tiny", INPUTS, "tally")
    for model, inputs in (("tiny", {}), ("made-up", INPUTS)):
        with pytest.raises(PredictError):
            predict(client.address, model, inputs, "tally")
    eventually(lambda: client.states("tiny").get(2) == "END")
    samples, kinds = _metrics(port)

    def figure(name, **labels):
        return samples[(f":tensorflow:{name}", *sorted(labels.items()))]

    assert figure("serving:request_count", model_name="tiny", status="OK") == 3
    assert figure("serving:request_count", model_name="tiny", status="INVALID_ARGUMENT") == 1
    assert figure("serving:request_count", model_name="", status="NOT_FOUND") == 1
    latency = {"model_name": "tiny", "API": "Predict"}
    assert figure("serving:request_latency_count", entrypoint="GRPC", **latency) == 3
    assert figure("serving:runtime_latency_count", runtime="TF1", **latency) == 4  # the warm-up as well
    assert figure("serving:request_latency_sum", entrypoint="GRPC", **latency) > 0
    assert figure("serving:request_latency_bucket", entrypoint="GRPC", le="+Inf", **latency) == 3
    assert figure("serving:batching_session:queuing_latency_count", thread_pool_name="batch_threads") == 4
    assert figure("serving:batching_session:input_batch_size_sum") == 4
    assert figure("serving:batching_session:processed_batch_size_sum") == 16
    version = str(tmp_path / "tiny" / "1")
    assert figure("serving:model_warmup_latency_count", model_path=version, status="OK") == 1
    assert figure("cc:saved_model:load_attempt_count", model_path=version, status="success") == 1
    broken = str(tmp_path / "tiny" / "2")
    assert figure("cc:saved_model:load_attempt_count", model_path=broken, status="fail") == 1
    assert kinds[":tensorflow:serving:request_count"] == "counter"
    assert kinds[":tensorflow:serving:request_latency"] == "histogram"


def test_buckets_are_tf_servings(served):
    client, port = served
    predict(client.address, "tiny", INPUTS, "tally")
    limits = re.findall(
        r'^:tensorflow:serving:request_latency_bucket\{.*le="(.+)"', _read(port), re.MULTILINE
    )
    assert limits[:5] == ["10", "18", "32.4", "58.32", "104.976"]
    assert (len(limits), limits[-1]) == (34, "+Inf")


def test_only_their_path_has_metrics(served):
    _, port = served
    with pytest.raises(urllib.error.HTTPError) as refused:
        _read(port, "/v1/models/tiny")
    assert refused.value.code == 404
    assert refused.value.read().decode() == f"Unexpected path: /v1/models/tiny. Should be {PATH}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
        ("prometheus_config { enable: true }", PATH),
        ('prometheus_config { path: "/metrics" }', None),
        ("", None),
    ],
)
def test_the_config_file_is_tf_servings(tmp_path, text, path):
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_monitoring_config(file) == path


def test_a_config_file_that_is_none(tmp_path):
    with pytest.raises(KakeaiError, match="cannot be read"):
        read_monitoring_config(tmp_path / "none")
    (tmp_path / "odd").write_text("prometheus { on: 1 }")
    with pytest.raises(KakeaiError, match="no MonitoringConfig text proto"):
        read_monitoring_config(tmp_path / "odd")


def test_flags_that_need_each_other_say_so(tmp_path, capsys):
    (tmp_path / "monitoring.config").write_text("prometheus_config { enable: true }")
    base = ["--port=0", f"--model_base_path={tmp_path}"]
    assert main([*base, f"--monitoring_config_file={tmp_path / 'monitoring.config'}"]) == 2
    assert "only with --rest_api_port" in capsys.readouterr().err
    assert main([*base, "--rest_api_port=8501"]) == 2
    assert "no REST API: give both" in capsys.readouterr().err
