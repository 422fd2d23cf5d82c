"""The gateway with a real model behind it: takes, releases, and every request that the OpenAPI allows."""

import json
import shutil
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from websockets.sync.client import connect

FUZZED_EXAMPLES = 20  # of each route, valid and invalid; enough to meet every field
PHRASE = [
    {"pitch": 60, "start": 0.02, "end": 0.5, "velocity": 50},
    {"pitch": 64, "start": 0.5, "end": 1.0, "velocity": 110},
    {"pitch": 67, "start": 1.04, "end": 1.5, "velocity": 70},
]


@pytest.fixture
def replicas(start_gateway, real_servers):
    """Two gateways, each with a replica of its own."""
    return [start_gateway(model_server=address) for address in real_servers]


def _post(gateway, body):
    response = gateway.client.post("/v1/generate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    "phrase", [{"notes": PHRASE}, {"melody": [60, -2, -2, -2, 64, -2, -1]}, {"notes": []}]
)
def test_a_take_gives_the_same_notes_again_alone_or_in_a_batch_on_any_replica(replicas, phrase):
    options = {"qpm": 96, "bars": 1, "variations": 3, "temperature": 1.3, "dynamics": "follow"}
    answers = _post(replicas[0], {**phrase, **options})["answers"]
    assert len({tuple(answer["melody"]) for answer in answers}) == 3
    for gateway in replicas:
        for answer in answers:
            [again] = _post(gateway, {**phrase, **answer["take"]})["answers"]
            assert again["log_likelihood"] == pytest.approx(answer["log_likelihood"], rel=1e-5)
            assert {**again, "log_likelihood": 0} == {**answer, "log_likelihood": 0}


def test_a_session_goes_on_at_another_gateway_and_another_replica_with_the_same_answer(replicas):
    call = {"type": "call", "bars": 1, "answer_bars": 1, "notes": PHRASE}
    history = []
    with connect(replicas[0].session_url) as session:
        ready = _ask(session, type="start", qpm=110)
        for turn in range(2):
            answer = _ask(session, **call, turn=turn)
            history += [
                {"who": who, "bars": 1, "notes": notes}
                for who, notes in (("player", PHRASE), ("kakeai", answer["notes"]))
            ]
        unbroken = _ask(session, **call, turn=2, seed=99)
    with connect(replicas[1].session_url) as session:
        again = _ask(
            session,
            type="start",
            qpm=110,
            history=history,
            session=ready["session"],
            version=ready["version"],
        )
        assert again == ready
        resumed = _ask(session, **call, turn=2, seed=99)
    assert resumed.pop("log_likelihood") == pytest.approx(unbroken.pop("log_likelihood"), rel=1e-5)
    assert resumed == unbroken


def test_a_release_is_announced_and_not_forced(start_gateway, real_servers, saved_model, store):
    gateway = start_gateway(model_server=real_servers[0], release_seconds=1e-6)
    call = {"type": "call", "bars": 1, "answer_bars": 1, "notes": PHRASE}
    with connect(gateway.session_url) as session:
        assert _ask(session, type="start")["version"] == 1
        assert _ask(session, **call, turn=0)["take"]["version"] == 1
        shutil.copytree(saved_model, store / "kakeai" / ".2")
        (store / "kakeai" / ".2").rename(store / "kakeai" / "2")
        try:
            turn = 1
            while (heard := _ask(session, **call, turn=turn))[
                "type"
            ] != "release":  # ends by the test's limit
                assert heard["take"]["version"] == 1
                turn += 1
            assert heard["version"] == 2
            assert json.loads(session.recv(timeout=20))["take"]["version"] == 1
            assert _ask(session, type="adopt", version=2)["version"] == 2
            assert _ask(session, **call, turn=turn)["take"]["version"] == 2
        finally:
            shutil.rmtree(store / "kakeai" / "2")


def _ask(socket, **frame):
    socket.send(json.dumps(frame))
    return json.loads(socket.recv(timeout=20))


def test_every_example_of_the_openapi_works_when_it_is_pasted(start_gateway, real_servers):
    gateway = start_gateway(model_server=real_servers[0])
    api = gateway.client.get("/openapi.json").json()
    content = api["paths"]["/v1/generate"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert len(examples) >= 3
    for example in examples.values():
        answers = _post(gateway, example["value"])["answers"]
        assert len(answers) == example["value"].get("variations", 1)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


def test_the_routes_keep_what_their_openapi_says(start_gateway, real_servers):
    gateway = start_gateway(model_server=real_servers[0])
    api = schemathesis.openapi.from_url(f"http://127.0.0.1:{gateway.port}/openapi.json")
    routes = [result.ok() for result in api.get_all_operations()]
    assert {route.path for route in routes} >= {
        "/v1/generate",
        "/v1/models",
        "/predict",
        "/readyz",
        "/metrics",
    }
    for route in routes:
        for mode in GenerationMode:

            @given(case=route.as_strategy(generation_mode=mode))
            @settings(
                max_examples=FUZZED_EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            def keeps_its_word(case):
                case.call_and_validate(checks=CHECKS)

            with suppress(Unsatisfiable):  # of a route without parameters there is nothing invalid to ask
                keeps_its_word()
    figures = gateway.client.get("/metrics").text
    assert 'kakeai_http_requests_total{method="POST",route="/v1/generate",status="200"}' in figures
