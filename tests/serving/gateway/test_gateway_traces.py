"""Traces, sent to a collector's own gRPC service."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from kakeai.errors import KakeaiError
from serving.gateway.app import create_app
from serving.gateway.settings import Settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []

    def Export(self, request, context):
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector():
    server = grpc.server(ThreadPoolExecutor(1))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None).wait()


def test_a_clients_trace_goes_on_to_the_model_server(collector, model):
    settings = {"TRACES": collector.address, "MODEL_SERVER": model.address, "PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.gateway"],
        env={**os.environ, **{f"KAKEAI_{name}": value for name, value in settings.items()}},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(line for line in process.stderr if "http://" in line).split("http://")[1].strip()
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(base_url=f"http://{address}", transport=transport, timeout=20) as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            assert client.post("/v1/generate", json={"notes": []}, headers=headers).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()
    spans = {span.name: span for span in collector.spans}
    request = spans["POST /v1/generate"]
    call = spans["tensorflow.serving.PredictionService/Predict"]
    assert {request.trace_id.hex(), call.trace_id.hex()} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert call.parent_span_id == request.span_id
    asked = model.asked[-1].metadata
    assert asked["traceparent"] == f"00-{TRACE}-{call.span_id.hex()}-01"
    assert asked["x-request-id"]


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "serving.gateway.telemetry.traces", raising=False)
    with pytest.raises(KakeaiError, match=r"KAKEAI_TRACES is set, but .* install kakeai\[traces\]"):
        create_app(Settings(traces="http://127.0.0.1:4317"))
