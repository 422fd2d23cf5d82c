"""Requests that share a run behind a real server, and the file that says how."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from serving.model_server.batching_parameters import BatchingParameters, read_batching_parameters
from serving.model_server.client import PredictError, predict
from serving.model_server.config import ServedModel


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
    with pytest.raises(PredictError, match="length is negative") as caught:
        futures[3].result()
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert [future.result()["sum"].tolist() for n, future in enumerate(futures) if n != 3] == [
        [2 * n] for n in range(7) if n != 3
    ]


def test_requests_for_different_outputs_share_a_run(batching, tmp_path, eventually):
    client = batching()

    def ask(*names):
        request = PredictRequest(model_spec={"name": "tiny", "signature_name": "tally"}, output_filter=names)
        for name, value in {"melody": [[5, 6]], "length": [2]}.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array(value, np.int32)))
        outputs = client.prediction.Predict(request, timeout=60).outputs
        return {name: tf.make_ndarray(tensor).tolist() for name, tensor in outputs.items()}

    asked = [lambda: ask("rows"), lambda: ask("sum", "rows"), lambda: ask("melody"), ask]
    answers = [future.result() for future in ask_together(client, tmp_path / "held", eventually, asked)]
    assert answers == [
        {"rows": [4]},
        {"sum": [11], "rows": [4]},
        {"melody": [[5, 6]]},
        {"sum": [11], "rows": [4], "melody": [[5, 6]]},
    ]


def test_batches_are_filled_up_to_an_allowed_size(batching):
    client = batching(max_batch_size=8, allowed_batch_sizes=(4, 8))
    answer = tally(client, [5, 6])
    assert (answer["sum"].tolist(), answer["rows"].tolist()) == ([11], [4])
    with pytest.raises(PredictError, match="Task size 9 is larger than maximum input batch size 8"):
        tally(client, *[[1]] * 9)


def test_what_a_batch_cannot_hold_is_told(batching):
    client = batching()
    with pytest.raises(PredictError, match=r"at least one dimension \(INVALID_ARGUMENT\)"):
        predict(client.address, "tiny", {"by": np.int64(1)}, signature="count")
    scale = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}
    with pytest.raises(PredictError, match=r"output tensor has 0 dimensions \(FAILED_PRECONDITION\)"):
        predict(client.address, "tiny", scale)
    request = PredictRequest(
        model_spec={"name": "tiny"}, output_filter=["y"]
    )  # without that output all is well
    for name, value in scale.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    assert list(client.prediction.Predict(request, timeout=60).outputs) == ["y"]


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
