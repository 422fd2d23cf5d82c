"""OpenTelemetry traces: a span for each request, and in it one for each call of the model server.

Imported only where traces are asked for: the packages are an extra, ``kakeai[traces]``. The W3C trace context goes
on from the client's ``traceparent`` header to the model server's metadata.
"""

from collections.abc import Awaitable, Callable

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """ASGI middleware that makes a span of each HTTP request and each session."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        """Wrap ``app``."""
        self.app = app
        self._tracer = provider.get_tracer(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, inside its span."""
        if scope["type"] not in {"http", "websocket"}:
            return await self.app(scope, receive, send)
        context = _propagator.extract(Headers(scope=scope))
        method = scope.get("method", "WS")
        with self._tracer.start_as_current_span(method, context, SpanKind.SERVER) as span:

            async def noting_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, noting_status)
            # The route's pattern, not the path: odd paths make no names of their own.
            route = getattr(scope.get("route"), "path", "") or "other"
            span.update_name(f"{method} {route}")


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
        with self._tracer.start_as_current_span(name.lstrip("/"), kind=SpanKind.CLIENT) as span:
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
            span.set_attribute("rpc.response.status_code", (await call.code()).name)
            return call
