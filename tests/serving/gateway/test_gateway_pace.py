"""How many answers may be under way, by how quickly they come."""

import grpc
import pytest

from serving.gateway.load.pace import Pace

MOST = 64


def _played(pace, seconds, answers, steps=32, taken=MOST):
    for _ in range(answers):
        pace.answered(seconds, steps, taken)
    return pace.places


def test_places_shrink_by_as_much_as_answers_are_late_and_grow_again():
    pace = Pace(MOST, late_seconds=0.1)
    assert _played(pace, 0.05, 96) == MOST
    assert _played(pace, 0.2, 32) == MOST / 2
    assert _played(pace, 0.09, 32) == MOST / 2 + 1
    assert _played(pace, 0.09, 32 * MOST) == MOST


def test_places_come_back_soon_where_answers_are_well_in_time():
    pace = Pace(MOST, late_seconds=0.1)
    _played(pace, 60.0, 320)
    assert _played(pace, 0.04, 32 * 10) == MOST


def test_a_crowd_out_of_silence_finds_no_more_places_than_twice_those_taken_lately():
    pace = Pace(MOST, late_seconds=0.1)
    assert _played(pace, 0.04, 320, taken=12) == 24
    assert _played(pace, 0.04, 320, taken=1) == MOST / 4
    assert _played(pace, 0.04, 32, taken=16) == 20


def test_one_late_answer_among_many_changes_nothing():
    pace = Pace(MOST, late_seconds=0.1)
    for _ in range(10):
        assert _played(pace, 5.0, 1) == _played(pace, 0.05, 31) == MOST


def test_refusals_count_as_too_much():
    pace = Pace(MOST, late_seconds=0.1)
    _played(pace, 0.05, 28)
    for _ in range(4):
        pace.refused(MOST)
    assert pace.places == MOST / 2
    assert _played(pace, 0.09, 32) == MOST / 2 + 1


@pytest.mark.parametrize(("most", "least"), [(64, 8), (3, 3)])
def test_some_places_there_always_are(most, least):
    pace = Pace(most, late_seconds=0.1)
    assert _played(pace, 60.0, 1000) == least


def test_an_answer_of_more_than_four_bars_may_take_longer_in_proportion():
    pace = Pace(MOST, late_seconds=0.1)
    assert _played(pace, 0.79, 320, steps=512) == MOST
    assert _played(pace, 0.79, 32, steps=64) < MOST


def test_a_model_server_in_distress_gets_fewer_requests_and_the_figures_say_so(start_gateway, model):
    gateway = start_gateway(late_seconds=1e-6)
    places = "kakeai_answer_places"
    assert _figure(gateway, places) == MOST
    for _ in range(32):
        assert gateway.client.post("/v1/generate", json={"notes": []}).status_code == 200
    assert _figure(gateway, places) == 8


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE], ids=lambda code: code.name
)
def test_a_model_server_that_has_no_room_gets_fewer_requests(start_gateway, model, code):
    gateway = start_gateway()
    model.failure = (code, "No room")
    for _ in range(3 * 32):
        assert gateway.client.post("/v1/generate", json={"notes": []}).status_code == 503
    assert _figure(gateway, "kakeai_answer_places") == 8


def _figure(gateway, name):
    [row] = [row for row in gateway.client.get("/metrics").text.splitlines() if row.startswith(f"{name} ")]
    return float(row.rpartition(" ")[2])
