"""WS /v1/session: live call and response."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from kakeai.errors import KakeaiError
from serving.gateway.api.frames import (
    Adopt,
    Answer,
    Call,
    ClientFrame,
    ErrorFrame,
    Move,
    Ready,
    Release,
    ServerFrame,
    Start,
    Tempo,
    client_frame,
)
from serving.gateway.api.json_bounds import check_json
from serving.gateway.api.messages import note_columns
from serving.gateway.api.problems import problem_of, problem_response
from serving.gateway.backend.ask import Ask, Reply
from serving.gateway.collection.recording import Recording
from serving.gateway.errors import (
    GatewayError,
    MalformedRequest,
    ModelNotFound,
    Overloaded,
    TooMany,
)
from serving.gateway.gateway import Gateway, gateway_of, host_of
from serving.gateway.play.session import Session, State
from serving.gateway.security.access import check_origin, check_token, subprotocol

# Close codes (RFC 6455, IANA's registry).
_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011
_SERVICE_RESTART = 1012
_TRY_AGAIN_LATER = 1013


log = logging.getLogger(__name__)
router = APIRouter()


class _Moving(Exception):
    """The gateway is going, and the session with it."""


@router.websocket("/v1/session")
async def session(websocket: WebSocket) -> None:
    """Play one session, until the client leaves, has been silent for too long, or the gateway goes."""
    gateway = gateway_of(websocket)
    try:
        check_origin(websocket, gateway.settings)
        check_token(websocket, gateway.settings)
    except GatewayError as error:
        return await websocket.send_denial_response(problem_response(error))
    await websocket.accept(subprotocol(websocket))
    player = _Player(websocket, gateway)
    try:
        if gateway.closed:
            raise _Moving
        with gateway.sessions.admit(host_of(websocket)), gateway.metrics.sessions.track_inprogress():
            await player.play()
    except WebSocketDisconnect:
        pass
    except _Moving:
        await player.end(_SERVICE_RESTART, Move())
    except (Overloaded, TooMany) as error:
        await player.end(_TRY_AGAIN_LATER, _error_frame(error))
    except TimeoutError:
        await player.end(_GOING_AWAY)
    except Exception as error:
        log.exception("a session ended with an error")
        await player.end(_INTERNAL_ERROR, _error_frame(error))
    finally:
        player.leave()


class _Player:
    """The two ends of one session: the client's socket, and the gateway with its model."""

    def __init__(self, websocket: WebSocket, gateway: Gateway) -> None:
        self._websocket = websocket
        self._gateway = gateway
        self._session = Session()
        self._id = ""
        self._label: str | None = None
        self._announced = 0  # the newest version that the client knows of
        self._card: dict[str, Any] | None = None  # that the client has
        self._recording: Recording | None = None

    async def play(self) -> None:
        """Take frames and answer them. Raises _Moving, TimeoutError or WebSocketDisconnect at the end.

        Reading a frame, checking it and answering it are pieces of work between which others get their turn.
        """
        while True:
            frame = None
            try:
                frame = await self._receive()
                await asyncio.sleep(0)
                self._websocket.state.frame = frame.type  # for the traces
                async for answer in self._answers(frame):
                    await self._send(answer)
            except (KakeaiError, ValidationError) as error:
                await self._send(_error_frame(error, frame.turn if isinstance(frame, Call) else None))

    async def end(self, code: int, last: ServerFrame | None = None) -> None:
        """Say a last word, if there is one, and close; the client may be gone already."""
        with suppress(WebSocketDisconnect, RuntimeError):
            if last is not None:
                await self._send(last)
            await self._websocket.close(code)

    def leave(self) -> None:
        """Let what the player agreed to give be kept."""
        if self._recording is not None and self._gateway.collection is not None:
            self._gateway.collection.keep(self._recording, host_of(self._websocket))

    async def _answers(self, frame: ClientFrame) -> AsyncIterator[ServerFrame]:
        """What a frame is answered with."""
        match frame:
            case Start():
                yield await self._start(frame)
            case Tempo():
                self._session.tempo(frame)
            case Adopt():
                self._session.expect(State.READY, frame.type)
                await self._check_version(self._session.model, frame.version)
                self._session.adopt(frame.version)
                yield self._ready()
            case Call():
                version = self._session.version
                answer = await self._answer(frame)
                yield answer
                if self._session.version != version or self._known_card() is not self._card:
                    yield self._ready()
                if release := await self._news():
                    yield release

    async def _start(self, start: Start) -> Ready:
        self._session.expect(State.NEW, start.type)
        for number, turn in enumerate(start.history):
            self._gateway.check_notes(len(turn.notes), f"history[{number}].notes")
        model = start.model or self._gateway.settings.model
        self._id = start.session or secrets.token_urlsafe(16)
        self._websocket.state.session = self._id
        self._label = self._gateway.label(model, self._id)
        version = await self._gateway.version(model, self._label)
        if start.version is not None and start.version != version:
            with suppress(ModelNotFound):  # served no more: on with what there is
                await self._check_version(model, start.version)
                version = start.version
        self._session.start(start, model, version)
        if self._gateway.collection is not None:
            self._recording = Recording(start.qpm, start.beats_per_bar)
        return self._ready()

    async def _check_version(self, model: str, version: int) -> None:
        """Raise ModelNotFound unless a version can answer."""
        if version not in await self._gateway.model_server.available(model):
            raise ModelNotFound(f"Version {version} of the model {model!r} is not served.", field="version")

    def _ready(self) -> Ready:
        session = self._session
        self._announced = max(self._announced, session.version)
        self._card = self._known_card()
        return Ready(
            session=self._id,
            model=session.model,
            version=session.version,
            card=self._card,
            collects=self._recording is not None,
        )

    def _known_card(self) -> dict[str, Any] | None:
        return self._gateway.cards.known(self._session.model, self._session.version)

    async def _answer(self, call: Call) -> Answer:
        called_at = time.monotonic()
        self._gateway.check_notes(len(call.notes))
        ask = self._session.call(call)
        try:
            self._gateway.check_steps(ask.steps, "answer_bars")
            reply = await self._reply(ask)
        except BaseException:
            self._session.failed()
            raise
        answer = self._session.answered(reply)
        if self._recording is not None:
            self._recording.play(
                call.turn,
                note_columns(call.notes),
                self._session.qpm,
                call.bars,
                call.answer_bars,
                call.keep,
            )
        timing = "untimed"
        if call.due is not None:
            timing = "ready" if time.monotonic() - called_at <= call.due else "late"
        self._gateway.metrics.turns.labels(timing).inc()
        return answer

    async def _reply(self, ask: Ask) -> Reply:
        """The answer of the session's version or, where that is served no more, of the one that replaced it."""
        host = host_of(self._websocket)
        try:
            [reply] = await self._gateway.answer(ask, "session", host)
        except ModelNotFound:
            version = await self._gateway.version(ask.model, self._label)
            if version == ask.version:
                raise
            [reply] = await self._gateway.answer(replace(ask, version=version), "session", host)
            self._session.version = version
        return reply

    async def _news(self) -> Release | None:
        """The newest version, if the client has not heard of it yet."""
        newest = await self._gateway.newest(self._session.model, self._label)
        if newest is None or newest <= self._announced:
            return None
        self._announced = newest
        return Release(version=newest, card=self._gateway.cards.known(self._session.model, newest))

    async def _receive(self) -> ClientFrame:
        """The next frame. Raises _Moving, TimeoutError, GatewayError, ValidationError or disconnects."""
        gateway = self._gateway
        if gateway.closed:
            raise _Moving
        deadline = asyncio.timeout(gateway.settings.session_idle_seconds)
        gateway.listening.add(deadline)
        try:
            async with deadline:
                message = await self._websocket.receive()
        except TimeoutError:
            if gateway.closed:
                raise _Moving from None
            raise
        finally:
            gateway.listening.discard(deadline)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise MalformedRequest("Frames are JSON text, not binary.")
        frame = text.encode()
        check_json(frame, gateway.settings.max_notes)
        await asyncio.sleep(0)
        return client_frame.validate_json(frame)

    async def _send(self, frame: ServerFrame) -> None:
        await self._websocket.send_text(frame.model_dump_json(exclude_none=isinstance(frame, ErrorFrame)))


def _error_frame(error: Exception, turn: int | None = None) -> ErrorFrame:
    return ErrorFrame(**problem_of(error).model_dump(), turn=turn)
