"""OpenTelemetry traces: a span for each request and each frame of a session, and in it one for each model server call.

Imported only where traces are asked for: the packages are an extra, ``kakeai[traces]``. The W3C trace context goes
on from the client's ``traceparent`` header to the model server's metadata.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.gateway.telemetry.metrics import METHODS

# What an application answers a handshake with, and the HTTP status that the server makes of it; None: its own.
_RESPONSES = {"websocket.accept": 101, "websocket.close": 403, "websocket.http.response.start": None}

_propagator = TraceContextTextMapPropagator()


def open_traces(endpoint: str) -> TracerProvider:
    """Where spans go: to the OpenTelemetry collector at ``endpoint``, such as http://collector:4317.

    ``shutdown`` sends what is left.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": "kakeai-gateway"}))
    insecure = not endpoint.startswith("https://")
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=insecure)))
    return provider


class RequestTraces:
    """ASGI middleware that makes a span of each HTTP request, of each session's handshake and of each of its frames."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        """Wrap ``app``."""
        self.app = app
        self._tracer = provider.get_tracer(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, inside its span."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            session = _SessionSpans(self._tracer, scope, receive, send)
            try:
                await self.app(scope, session.receive, session.send)
            finally:
                session.end_span()
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._tracer.start_as_current_span(**_http_span(scope)) as span:

            async def noting_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            await self.app(scope, receive, noting_status)
            _note_route(span, scope)


class _SessionSpans:
    """The two ends of a WebSocket, with one span at a time: the handshake's, then that of the frame being answered.

    A session may last for hours, and a span is exported when it ends. So each frame begins a trace of its own, with a
    link to the handshake's span. The frame's type and the session's name are taken from the scope's state.
    """

    def __init__(self, tracer: Tracer, scope: Scope, receive: Receive, send: Send) -> None:
        self._tracer = tracer
        self._scope = scope
        self._receive = receive
        self._send = send
        self._handshake = tracer.start_span(**_http_span(scope))
        self._span: Span | None = self._handshake
        self._token = attach(set_span_in_context(self._handshake))

    async def receive(self) -> Message:
        """The next message. The application asks for it when it is done with the one before."""
        if self._span is not self._handshake:
            self.end_span()
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._begin_frame()
        return message

    async def send(self, message: Message) -> None:
        """Send a message; the handshake ends with its response."""
        await self._send(message)
        if self._span is self._handshake and message["type"] in _RESPONSES:
            _note_status(self._handshake, _RESPONSES[message["type"]] or message["status"])
            self.end_span()

    def _begin_frame(self) -> None:
        self._scope.setdefault("state", {}).pop("frame", None)
        context = self._handshake.get_span_context()
        # Where the client's trace is not recorded, neither are the frames.
        parent = Context() if context.trace_flags.sampled else set_span_in_context(self._handshake)
        self._span = self._tracer.start_span("frame", parent, SpanKind.SERVER, links=[Link(context)])
        self._token = attach(set_span_in_context(self._span))

    def end_span(self) -> None:
        """End the present span, if there is one."""
        if self._span is None:
            return
        if self._span is self._handshake:
            _note_route(self._span, self._scope)
        else:
            state = self._scope["state"]
            self._span.update_name(f"{_route(self._scope)} {state.get('frame', 'other')}")
            self._span.set_attribute("session.id", state.get("session", ""))
            self._span.set_attribute("network.protocol.name", "websocket")
        self._span.end()
        self._span = None
        detach(self._token)


def _http_span(scope: Scope) -> dict[str, Any]:
    """How to start the span of an HTTP request, as OpenTelemetry's semantic conventions have it."""
    method = scope.get("method", "GET")  # a WebSocket's handshake is a GET
    known = method if method in METHODS else "_OTHER"
    attributes = {"http.request.method": known, "url.path": scope["path"], "url.scheme": scope["scheme"]}
    return {
        "name": "HTTP" if known == "_OTHER" else known,
        "context": _propagator.extract(Headers(scope=scope)),
        "kind": SpanKind.SERVER,
        "attributes": attributes,
    }


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _note_route(span: Span, scope: Scope) -> None:
    route = _route(scope)
    span.set_attribute("http.route", route)
    method = scope.get("method", "GET")
    span.update_name(f"{method if method in METHODS else 'HTTP'} {route}")


def _route(scope: Scope) -> str:
    # The route's pattern, not the path: odd paths make no names of their own.
    return getattr(scope.get("route"), "path", "") or "other"


class CallTraces(grpc.aio.UnaryUnaryClientInterceptor):
    """Makes a span of each call of the model server, and tells it the trace that it belongs to."""

    def __init__(self, provider: TracerProvider) -> None:
        """Send spans to ``provider``."""
        self._tracer = provider.get_tracer(__name__)

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, object], Awaitable[grpc.aio.UnaryUnaryCall]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> grpc.aio.UnaryUnaryCall:
        """Make the call, inside its span."""
        method = client_call_details.method
        name = method.decode() if isinstance(method, bytes) else method
        name = name.lstrip("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": name}
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
            trace: dict[str, str] = {}
            _propagator.inject(trace)
            metadata = grpc.aio.Metadata(*(client_call_details.metadata or ()), *trace.items())
            details = grpc.aio.ClientCallDetails(
                method=client_call_details.method,
                timeout=client_call_details.timeout,
                metadata=metadata,
                credentials=client_call_details.credentials,
                wait_for_ready=client_call_details.wait_for_ready,
            )
            call = await continuation(details, request)
            code = await call.code()
            span.set_attribute("rpc.response.status_code", code.name)
            if code is not grpc.StatusCode.OK:
                span.set_status(StatusCode.ERROR)
            return call
