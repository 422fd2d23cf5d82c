"""Traces, sent to a collector's own gRPC service."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kakeai.errors import KakeaiError
from serving.gateway.app import create_app
from serving.gateway.settings import Settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
PREDICT = "tensorflow.serving.PredictionService/Predict"
WAIT_SECONDS = 20


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []
        self.came = threading.Condition()

    def Export(self, request, context):
        with self.came:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self.came.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, *names):
        """The last span of each name, as soon as there is one of each."""
        with self.came:
            spans = {}
            assert self.came.wait_for(
                lambda: spans.update({span.name: span for span in self.spans}) or spans.keys() >= set(names),
                WAIT_SECONDS,
            ), sorted(spans)
            return [spans[name] for name in names]


@pytest.fixture
def collector():
    server = grpc.server(ThreadPoolExecutor(1))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None).wait()


@contextmanager
def _traced_gateway(collector, model):
    """The address of a gateway that runs as a process of its own, and is told to stop in the end."""
    settings = {"TRACES": collector.address, "MODEL_SERVER": model.address, "PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway"],
        env={
            **os.environ,
            **{f"KAKEAI_{name}": value for name, value in settings.items()},
            "OTEL_BSP_SCHEDULE_DELAY": "50",  # milliseconds that a span waits for others; 5,000 by default
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(line for line in process.stderr if "http://" in line).split("http://")[1].strip()
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=f"http://{address}", transport=transport) as client:
            client.get("/healthz")
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
        assert not [line for line in process.stderr if "Traceback" in line or "detach" in line]
    finally:
        process.kill()
        process.communicate()


def test_a_clients_trace_goes_on_to_the_model_server(collector, model):
    with _traced_gateway(collector, model) as address:
        url = f"http://{address}/v1/generate"
        response = httpx.post(url, json={"notes": []}, headers=SAMPLED, timeout=WAIT_SECONDS)
        assert response.status_code == 200
    request, call = collector.named("POST /v1/generate", PREDICT)
    assert {request.trace_id.hex(), call.trace_id.hex()} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert call.parent_span_id == request.span_id
    asked = model.asked[-1].metadata
    assert asked["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert asked["x-request-id"]
    assert _attributes(request) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/generate",
        "url.path": "/v1/generate",
        "url.scheme": "http",
    }
    assert _attributes(call) == {
        "rpc.system.name": "grpc",
        "rpc.method": PREDICT,
        "rpc.response.status_code": "OK",
    }


def _attributes(span):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def test_each_frame_of_a_session_has_its_own_trace_while_the_session_goes_on(collector, model):
    with (
        _traced_gateway(collector, model) as address,
        connect(f"ws://{address}/v1/session", additional_headers=SAMPLED) as session,
    ):
        session.send('{"type": "start"}')
        name = json.loads(session.recv(timeout=WAIT_SECONDS))["session"]
        session.send('{"type": "call", "turn": 0, "bars": 1, "answer_bars": 1, "notes": []}')
        session.recv(timeout=WAIT_SECONDS)
        session.send("{")
        session.recv(timeout=WAIT_SECONDS)
        session.send('{"type": "tempo", "qpm": 90}')
        session.send('{"type": "tempo", "qpm": 100}')
        names = (
            "GET /v1/session",
            *(f"/v1/session {frame}" for frame in ("start", "call", "other", "tempo")),
        )
        handshake, *frames = collector.named(*names)
        [predict] = collector.named(PREDICT)
    assert (handshake.trace_id.hex(), handshake.parent_span_id.hex()) == (TRACE, PARENT)
    assert _attributes(handshake)["http.response.status_code"] == 101
    assert len({span.trace_id for span in (handshake, *frames)}) == 5
    for frame in frames:
        [link] = frame.links
        assert (link.trace_id, link.span_id) == (handshake.trace_id, handshake.span_id)
        assert not frame.parent_span_id
        assert _attributes(frame)["session.id"] == name
    assert (predict.trace_id, predict.parent_span_id) == (frames[1].trace_id, frames[1].span_id)


def test_a_client_whose_trace_is_not_recorded_has_no_spans(collector, model):
    with _traced_gateway(collector, model) as address:
        not_sampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        with connect(f"ws://{address}/v1/session", additional_headers=not_sampled) as session:
            session.send('{"type": "start"}')
            session.recv(timeout=WAIT_SECONDS)
    assert [span.name for span in collector.spans if span.name != "GET /healthz"] == []


def test_a_refused_session_is_a_request_like_any_other(collector, model):
    with _traced_gateway(collector, model) as address:
        with (
            pytest.raises(InvalidStatus),
            connect(f"ws://{address}/v1/session", origin="https://evil.example"),
        ):
            pass
        [handshake] = collector.named("GET /v1/session")
    assert _attributes(handshake)["http.response.status_code"] == 403


def test_a_socket_where_there_is_no_session_is_refused_too(collector, model):
    with _traced_gateway(collector, model) as address:
        with pytest.raises(InvalidStatus), connect(f"ws://{address}/v2/session"):
            pass
        [handshake] = collector.named("GET other")
    assert _attributes(handshake)["http.response.status_code"] == 403


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "serving.gateway.telemetry.traces", raising=False)
    with pytest.raises(KakeaiError, match=r"^KAKEAI_TRACES needs kakeai\[traces\]: pip install"):
        create_app(Settings(traces="http://127.0.0.1:4317"))
