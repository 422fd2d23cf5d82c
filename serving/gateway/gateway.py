"""What every route needs: settings, model server, model cards, and how much is let in at once."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import grpc
import numpy as np
from starlette.requests import HTTPConnection

from kakeai.music.melody import NO_EVENT
from serving.gateway.backend.ask import Ask, Reply
from serving.gateway.backend.canary import label_for, labels_to_ask, usual_label
from serving.gateway.backend.cards import Cards
from serving.gateway.backend.model_server import ModelServer
from serving.gateway.backend.readiness import Readiness
from serving.gateway.collection.writer import Collection
from serving.gateway.errors import (
    GatewayError,
    InvalidRequest,
    LabelMissing,
    ModelServerTooSlow,
    ModelServerUnavailable,
    NotReady,
)
from serving.gateway.load.admission import Admission
from serving.gateway.load.pace import Pace
from serving.gateway.settings import Settings
from serving.gateway.telemetry.metrics import Metrics
from serving.gateway.telemetry.request_id import request_id

T = TypeVar("T")

log = logging.getLogger(__name__)

MOVE_SECONDS = 1.0  # over which sessions leave a gateway that stops, so that they do not come at once


class Gateway:
    """One running gateway. It keeps nothing that a restart loses: sessions live with their clients."""

    def __init__(
        self, settings: Settings, metrics: Metrics, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
    ) -> None:
        """A gateway that lets requests in. Make it inside a running event loop, which its gRPC channel belongs to."""
        self.settings = settings
        self.metrics = metrics
        self.model_server = ModelServer(settings, metrics, interceptors)
        self.cards = Cards(settings.store, settings.status_seconds)
        self.collection = (
            Collection(settings.collect, settings.collect_per_day, settings.collect_per_client, metrics)
            if settings.collect
            else None
        )
        self._pace = Pace(settings.max_answers, settings.late_seconds)
        self.answers = Admission(
            "answers", lambda: self._pace.places, settings.max_client_answers, metrics.shed
        )
        self.sessions = Admission(
            "sessions", lambda: settings.max_sessions, settings.max_client_sessions, metrics.shed
        )
        metrics.in_flight.set_function(lambda: self.answers.inside)
        metrics.places.set_function(lambda: self._pace.places)
        self.draining = False
        self.closed = False
        # Of the sessions that wait for their client's next frame: how long each will.
        self.listening: set[asyncio.Timeout] = set()
        self._readiness = Readiness(self._check)
        self._proved: int | None = None
        self._missing_labels: set[str] = set()
        self._newest: dict[tuple[str, str | None], tuple[float, int | None]] = {}

    async def close(self) -> None:
        """Write the recordings that still wait, and close the channel to the model server."""
        self.cards.close()
        if self.collection is not None:
            await self.collection.close()
        await self.model_server.close()

    def label(self, model: str, name: str) -> str | None:
        """The version label for a session or request called ``name``: only the default model has canaries."""
        return label_for(name, self.settings.canary_share) if model == self.settings.model else None

    async def answer(self, ask: Ask, door: str, host: str | None) -> list[Reply]:
        """Let the model answer. ``door`` is the way the request came in, for the metrics.

        Raises Overloaded, TooMany, or a ModelServerError.
        """
        label = self.label(ask.model, request_id.get()) if ask.version is None else None
        with self.answers.admit(host), self._timed(ask):
            replies = await self._asked_by_label(
                label, lambda label: self.model_server.generate(replace(ask, label=label))
            )
        for reply in replies:
            self.metrics.answered(door, ask.model, ask.primer, reply.melody)
        return replies

    @contextmanager
    def _timed(self, ask: Ask) -> Iterator[None]:
        """Let the pace know how long an answer took, or was waited for in vain, and what was refused."""
        started = time.perf_counter()
        try:
            yield
        except ModelServerUnavailable:
            self._pace.refused(self.answers.inside)
            raise
        except ModelServerTooSlow:
            self._pace.answered(time.perf_counter() - started, ask.steps, self.answers.inside)
            raise
        self._pace.answered(time.perf_counter() - started, ask.steps, self.answers.inside)

    async def version(self, model: str, label: str | None) -> int:
        """The version of a model with a label or, where none with it can answer, the one in its place.

        Raises NotReady or a ModelServerError.
        """
        return await self._asked_by_label(label, lambda label: self.model_server.version(model, label))

    async def _asked_by_label(self, label: str | None, ask: Callable[[str | None], Awaitable[T]]) -> T:
        """What the model server says for a label or, where none with it can answer, for what is in its place."""
        for name in labels_to_ask(label):
            try:
                answer = await ask(name)
            except LabelMissing:
                self._note_label(name, is_missing=True)
            else:
                self._note_label(name, is_missing=False)
                return answer
        return await ask(None)

    def _note_label(self, label: str, *, is_missing: bool) -> None:
        """Count a label that is missing, and log when one goes missing and when it is back."""
        model, share = self.settings.model, self.settings.canary_share
        if is_missing:
            self.metrics.labels_missing.labels(label).inc()
            if label not in self._missing_labels:
                self._missing_labels.add(label)
                log.warning(
                    "no version of model %s with the label %s can answer: KAKEAI_CANARY_SHARE=%g is without effect, "
                    "and sessions of that label play with another version",
                    model,
                    label,
                    share,
                )
        elif label in self._missing_labels:
            self._missing_labels.remove(label)
            log.warning(
                "the version of model %s with the label %s can answer now: KAKEAI_CANARY_SHARE=%g has effect",
                model,
                label,
                share,
            )

    async def ready_version(self) -> int:
        """Return the version of the default model that sessions get now, with a canary those outside the trial.

        Raises NotReady or a ModelServerError.
        """
        if self.draining:
            raise NotReady("The gateway is shutting down.")
        return await self._readiness.version()

    async def _check(self) -> int:
        """As ``ready_version``, from the model server.

        Each version generates one step once; after that only its state is read, or a busy model server would
        look like none.
        """
        model = self.settings.model
        version = await self.version(model, usual_label(self.settings.canary_share))
        self.cards.known(model, version)  # so that it is there before the first session
        if version != self._proved:
            silence = np.full(1, NO_EVENT, np.int8)
            await self.model_server.generate(
                Ask(model, version, silence, steps=1, temperature=1.0, seeds=(0,))
            )
            self._proved = version
        return version

    async def newest(self, model: str, label: str | None) -> int | None:
        """The newest version of a model, or the one with a label, as it was a few seconds ago at most."""
        asked_at, version = self._newest.get((model, label), (-np.inf, None))
        if time.monotonic() - asked_at >= self.settings.release_seconds:
            self._newest[model, label] = time.monotonic(), version  # others need not ask meanwhile
            with suppress(GatewayError):
                version = await self.version(model, label)
            self._newest[model, label] = time.monotonic(), version
        return version

    def move_sessions(self) -> None:
        """Let no session in any more, and end those that are open, each after the answer under way.

        Sessions that wait for their client end one after another, within MOVE_SECONDS.
        """
        if self.closed:
            return
        self.closed = True
        now = asyncio.get_running_loop().time()
        for deadline in self.listening:
            if not deadline.expired():  # else its session ends already, and it takes no other time
                deadline.reschedule(now + random.uniform(0.0, MOVE_SECONDS))

    def check_notes(self, count: int, field: str = "notes") -> None:
        """Raise InvalidRequest for a phrase of more notes than allowed."""
        if count > self.settings.max_notes:
            raise InvalidRequest(
                f"{field} has {count} notes; a phrase may have {self.settings.max_notes}.", field=field
            )

    def check_steps(self, steps: int, field: str) -> None:
        """Raise InvalidRequest for an answer longer than allowed, or of no length."""
        if not 1 <= steps <= self.settings.max_steps:
            raise InvalidRequest(
                f"{field} asks for {steps} sixteenths; an answer may have 1 to {self.settings.max_steps}.",
                field=field,
            )


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that a request or socket came to."""
    return connection.app.state.gateway


def host_of(connection: HTTPConnection) -> str | None:
    """The client's address; behind a trusted proxy, the one that the proxy tells."""
    return connection.client.host if connection.client else None
