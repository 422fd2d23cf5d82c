"""What the gateway makes of a model server that fails, is slow, goes, or talks nonsense."""

import re

import grpc
import numpy as np
import pytest
from phrases import generate

from serving.gateway.backend import tensors
from serving.gateway.backend.tensors import tensor


@pytest.mark.parametrize(
    ("code", "words", "status", "detail"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "no such pitch\nat node_42 in graph.py", 422, "no such pitch"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "queue full", 503, "no room"),
        (grpc.StatusCode.CANCELLED, "Cancelling all calls", 503, "try again soon"),
        (grpc.StatusCode.FAILED_PRECONDITION, "Serving signature key not found", 502, "failed"),
        (grpc.StatusCode.INTERNAL, "Traceback: secrets.py", 502, "failed"),
    ],
)
def test_what_the_model_server_says_becomes_a_problem(gateway, model, code, words, status, detail):
    model.failure = (code, words)
    response = generate(gateway)
    assert response.status_code == status
    assert detail in response.json()["detail"]
    assert not re.search(r"Traceback|graph\.py|node_42", response.text)


@pytest.fixture
def fresh(start_gateway, model):
    """A gateway before a model server of its own, of whose failures gRPC has counted none yet."""
    server, address = model.serve()
    yield start_gateway(model_server=address)
    server.stop(None).wait()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_model_server_that_stops_is_asked_once_more(fresh, model, code):
    model.refusals = {1: (code, "The model server is stopping")}
    assert generate(fresh).status_code == 200
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    ("code", "attempts"),
    [
        (grpc.StatusCode.UNAVAILABLE, 2),
        (grpc.StatusCode.CANCELLED, 2),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 1),
        (grpc.StatusCode.INTERNAL, 1),
    ],
)
def test_a_model_server_without_room_is_not_asked_again_and_again(fresh, model, code, attempts):
    model.failure = (code, "The batch scheduling queue is full")
    assert generate(fresh).status_code in {502, 503}
    assert len(model.asked) == attempts


def _wrong_length(response):
    response.outputs["melody"].CopyFrom(tensor(np.zeros((1, 3), np.int32)))


def _no_melody(response):
    del response.outputs["melody"]


def _no_events(response):
    response.outputs["melody"].int_val[0] = 128


def _not_finite(response):
    response.outputs["log_likelihood"].CopyFrom(tensor(np.array([np.nan], np.float32)))


@pytest.mark.parametrize("spoil", [_wrong_length, _no_melody, _no_events, _not_finite])
def test_an_answer_that_is_no_melody(gateway, model, spoil):
    model.spoil = spoil
    response = generate(gateway)
    assert response.status_code == 502
    assert "no melody" in response.json()["detail"]


def test_an_answer_from_a_batch_with_a_longer_one(gateway, model):
    alone = generate(gateway).json()

    def widen(response):
        melody = tensors.array(response.outputs["melody"])
        response.outputs["melody"].CopyFrom(tensor(np.pad(melody, [(0, 0), (0, 9)], constant_values=-2)))

    model.spoil = widen
    batched = generate(gateway).json()
    assert [answer["notes"] for answer in batched["answers"]] == [a["notes"] for a in alone["answers"]]


def test_a_model_server_that_is_too_slow(start_gateway, model):
    gateway = start_gateway(predict_seconds=0.05)
    model.may_answer.clear()
    response = generate(gateway)
    assert response.status_code == 504
    assert response.json()["title"] == "Model server too slow"


def test_a_model_server_that_goes_and_comes_back(start_gateway, model):
    server, address = model.serve()
    gateway = start_gateway(model_server=address)
    assert generate(gateway).is_success
    server.stop(None).wait()
    response = generate(gateway)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["title"] == "Model server unavailable"

    server, _ = model.serve(address)
    while not (response := generate(gateway)).is_success:  # the test's own time limit ends this
        assert response.status_code == 503
    server.stop(None).wait()
