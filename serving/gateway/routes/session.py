"""WS /v1/session: live call and response."""

import asyncio
import logging
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from kakeai.errors import KakeaiError
from serving.gateway.exceptions import MalformedRequest, Overloaded
from serving.gateway.gateway import Gateway, gateway_of
from serving.gateway.messages import Answer, Call, ErrorFrame, Ready, Start, Tempo, client_frame
from serving.gateway.problems import problem_of
from serving.gateway.session import Session, State

# Close codes (RFC 6455, IANA's registry).
_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013

log = logging.getLogger(__name__)
router = APIRouter()


@router.websocket("/v1/session")
async def session(websocket: WebSocket) -> None:
    """Play one session, until the client leaves or has been silent for too long."""
    gateway = gateway_of(websocket)
    await websocket.accept()
    try:
        with gateway.sessions.admit(), gateway.metrics.sessions.track_inprogress():
            await _play(websocket, gateway)
    except WebSocketDisconnect:
        pass
    except Overloaded as error:
        await _close(websocket, _TRY_AGAIN_LATER, error)
    except TimeoutError:
        await _close(websocket, _GOING_AWAY, None)
    except Exception as error:
        log.exception("a session ended with an error")
        await _close(websocket, _INTERNAL_ERROR, error)


async def _play(websocket: WebSocket, gateway: Gateway) -> None:
    session = Session()
    while True:
        frame = None
        try:
            frame = await _receive(websocket, gateway.settings.session_idle_seconds)
            match frame:
                case Start():
                    await _send(websocket, await _start(gateway, session, frame))
                case Tempo():
                    session.tempo(frame)
                case Call():
                    await _send(websocket, await _answer(gateway, session, frame))
        except (KakeaiError, ValidationError) as error:
            await _send(websocket, _error_frame(error, frame.turn if isinstance(frame, Call) else None))


async def _start(gateway: Gateway, session: Session, start: Start) -> Ready:
    session.expect(State.NEW, start.type)
    for number, turn in enumerate(start.history):
        gateway.check_notes(len(turn.notes), f"history[{number}].notes")
    model = start.model or gateway.settings.model
    version = await gateway.backend.version(model)
    card = await gateway.cards.card(model, version)
    session.start(start, model)
    return Ready(model=model, version=version, card=card)


async def _answer(gateway: Gateway, session: Session, call: Call) -> Answer:
    gateway.check_notes(len(call.notes))
    ask = session.call(call)
    try:
        gateway.check_steps(ask.steps, "answer_bars")
        reply = await gateway.answer(ask, "session")
    except Exception:
        session.failed()
        raise
    return session.answered(reply)


async def _receive(websocket: WebSocket, idle_seconds: float) -> Start | Call | Tempo:
    """The next frame. Raises TimeoutError, WebSocketDisconnect, MalformedRequest or ValidationError."""
    async with asyncio.timeout(idle_seconds):
        message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None:
        raise MalformedRequest("Frames are JSON text, not binary.")
    return client_frame.validate_json(text)


async def _close(websocket: WebSocket, code: int, error: Exception | None) -> None:
    """Say what happened, if anything did, and close; the client may be gone already."""
    with suppress(WebSocketDisconnect, RuntimeError):
        if error is not None:
            await _send(websocket, _error_frame(error))
        await websocket.close(code)


async def _send(websocket: WebSocket, frame: Ready | Answer | ErrorFrame) -> None:
    await websocket.send_text(frame.model_dump_json(exclude_none=isinstance(frame, ErrorFrame)))


def _error_frame(error: Exception, turn: int | None = None) -> ErrorFrame:
    return ErrorFrame(**problem_of(error).model_dump(), turn=turn)
