"""What Prometheus can read of the gateway. Times are seconds."""

import logging
import time

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kakeai.music.listening import repetition

requests_log = logging.getLogger("serving.gateway.requests")

# From a small model on a warm server to the deadline; a sixteenth at 120 quarter notes a minute is 0.125 s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Up to twice the 20 ms that one piece of work may hold the loop, and what players hear.
_LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1.0, 2.5)
_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

KEYBOARD = range(21, 109)  # pitches of a piano's 88 keys; what lies beyond is out of a player's reach
HEARD_STEPS = 64  # of what came before, in which an answer may repeat: four bars of 4/4


class Metrics:
    """The gateway's own registry, so that two gateways in one process do not count together."""

    def __init__(self) -> None:
        """All metrics, at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("http_requests", "HTTP requests.", "method", "route", "status")
        self.request_seconds = self._histogram(
            "http_request_seconds", "Time to answer a request.", _SECONDS, "route", "model"
        )
        self.loop_lag = self._histogram(
            "loop_lag_seconds", "How late a timer of the event loop goes off.", _LAG_SECONDS
        )
        self.given_up = self._counter(
            "slow_heads", "Connections closed because no request's head came in time."
        )
        self.model_server_seconds = self._histogram(
            "model_server_seconds",
            "Time the model server took, by call and gRPC status.",
            _SECONDS,
            "call",
            "model",
            "code",
        )
        self.in_flight = self._gauge("answers_in_flight", "Answers under way at the model server.")
        self.places = self._gauge("answer_places", "Answers that may be under way now.")
        self.shed = self._counter(
            "shed", "Requests and sessions turned away at once, and whose limit it was.", "what", "limit"
        )
        self.labels_missing = self._counter(
            "labels_missing",
            "Times that no version with a label could answer, so that another was asked.",
            "label",
        )
        self.sessions = self._gauge("sessions_open", "Sessions open now.")
        self.turns = self._counter(
            "session_turns",
            "Turns answered in sessions: ready before they began, late, or untimed where no due was given.",
            "timing",
        )
        self.recordings = self._counter(
            "recordings", "Sessions whose player agreed: kept, failed, or left out at a limit.", "outcome"
        )
        self.answers = self._counter(
            "answers", "Melodies answered, by the way they were asked for.", "door", "model"
        )
        self.steps = self._counter("answer_steps", "Sixteenths generated.", "model")
        self.silent = self._counter("silent_answers", "Answers without a note.", "model")
        self.notes = self._counter(
            "answer_notes", "Notes generated, on and off the 88 keys of a piano.", "model", "range"
        )
        self.repetition = self._histogram(
            "answer_repetition",
            "Share of an answer's bar-long stretches that were played shortly before, note for note.",
            _SHARES,
            "model",
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kakeai_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"kakeai_{name}", text, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"kakeai_{name}", text, labels, registry=self.registry, buckets=buckets)

    def answered(self, door: str, model: str, primer: np.ndarray, melody: np.ndarray) -> None:
        """Note an answer, int8[steps], to a primer, int8[primer]; ``door`` is the way it was asked for."""
        self.answers.labels(door, model).inc()
        self.steps.labels(model).inc(melody.size)
        pitches = melody[melody >= 0]
        if not pitches.size:
            self.silent.labels(model).inc()
        outside = int(np.count_nonzero((pitches < KEYBOARD.start) | (pitches >= KEYBOARD.stop)))
        self.notes.labels(model, "inside").inc(pitches.size - outside)
        self.notes.labels(model, "outside").inc(outside)
        heard = primer[-HEARD_STEPS:]
        repeated = repetition(np.concatenate([heard, melody]), heard.size)
        self.repetition.labels(model).observe(repeated)


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
            model = scope.get("state", {}).get("model", "")  # the one that answered, if any did
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.request_seconds.labels(route, model).observe(seconds)
            if self.log:
                requests_log.info("%s %s %d %.1f ms", method, scope["path"], status, seconds * 1e3)
