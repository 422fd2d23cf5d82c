"""What Prometheus can read of the gateway. Times are seconds."""

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

requests_log = logging.getLogger("serving.gateway.requests")

# From a small model on a warm server to the deadline; a sixteenth at 120 quarter notes a minute is 0.125 s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The gateway's own registry, so that two gateways in one process do not count together."""

    def __init__(self) -> None:
        """All figures, at nought."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "kakeai_http_requests", "HTTP requests.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "kakeai_http_request_seconds",
            "Time to answer a request.",
            ["route"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.model_server_seconds = Histogram(
            "kakeai_model_server_seconds",
            "Time the model server took, by call and gRPC status.",
            ["call", "code"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.answers = Counter(
            "kakeai_answers",
            "Melodies answered, by the way they were asked for.",
            ["door"],
            registry=self.registry,
        )
        self.sessions = Gauge("kakeai_sessions_open", "Sessions open now.", registry=self.registry)


class RequestMetrics:
    """ASGI middleware that counts and times HTTP requests by route, and logs a line for each if asked to."""

    def __init__(self, app: ASGIApp, metrics: Metrics, log: bool) -> None:
        """Wrap ``app``."""
        self.app = app
        self.metrics = metrics
        self.log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = time.perf_counter()
        status = 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_status)
        finally:
            seconds = time.perf_counter() - started
            # The route's pattern, not the path: whoever asks for odd paths must not make the metrics grow.
            route = getattr(scope.get("route"), "path", "") or "other"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.request_seconds.labels(route).observe(seconds)
            if self.log:
                requests_log.info("%s %s %d %.1f ms", method, scope["path"], status, seconds * 1e3)
