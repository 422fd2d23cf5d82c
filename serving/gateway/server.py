"""Running the gateway: the port, the signals, the way out."""

import gc
import logging
import socket
import time
from types import FrameType
from typing import Literal

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from kakeai.errors import KakeaiError
from serving.gateway.app import create_app
from serving.gateway.load.patience import limit_sending, patient_protocol
from serving.gateway.load.pieces import WebSocketInPieces
from serving.gateway.operations import ByPort, operations_app
from serving.gateway.settings import Settings, variable
from serving.gateway.telemetry.logs import configure_logs

log = logging.getLogger(__name__)


class GatewayServer(uvicorn.Server):
    """uvicorn, but readiness goes first and sessions move to another gateway.

    After a signal to stop, /readyz is false for a while, so that a load balancer learns of it in time. Then
    sessions end, each after the answer under way, and when all have gone or their time is over, the port
    closes. A second signal ends the wait. A signal may come at any time, even before the application has started.
    """

    def __init__(self, app: FastAPI, settings: Settings, operations_port: int | None = None) -> None:
        """A server for ``app``, to be run on sockets of ``listen``.

        Requests at ``operations_port`` go to the operations of ``app``.
        """
        served: ASGIApp = app
        if operations_port is not None:
            served = ByPort(app, operations_app(app, settings.log_requests), operations_port)
        super().__init__(
            uvicorn.Config(
                served,
                http=patient_protocol(settings.request_seconds, app.state.metrics.given_up),
                ws=WebSocketInPieces,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_keep_alive=settings.keep_alive_seconds,
                ws_max_size=settings.max_body_bytes,
                # A frame of a few bytes could unfold to any size; and phrases are small.
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=settings.shutdown_seconds,
            )
        )
        self._app = app
        self._drain_seconds = settings.drain_seconds
        self._shutdown_seconds = settings.shutdown_seconds
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; on a second signal, leave at once."""
        if self._drained_at is not None:
            super().handle_exit(sig, frame)
            return
        self._drained_at = time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second: time to go?"""
        if self._drained_at is not None:
            gateway = self._app.state.gateway  # there since the start-up, which ticks follow
            gateway.draining = True
            if (over := time.monotonic() - self._drained_at) >= 0:
                gateway.move_sessions()
                self.should_exit |= not gateway.sessions.inside or over >= self._shutdown_seconds
        return await super().on_tick(counter)


def listen(settings: Settings, setting: Literal["port", "operations_port"] = "port") -> socket.socket:
    """Return a socket bound to the gateway's host and to the port in a setting.

    Raises KakeaiError if the port is in use or the host is not this machine's.
    """
    port = getattr(settings, setting)
    here = f"{settings.host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        limit_sending(listener, settings.send_seconds)
    except OSError as error:
        raise KakeaiError(
            f"Cannot listen on {here} ({error.strerror}): stop what listens there, "
            f"or set {variable(setting)} or {variable('host')} to another."
        ) from None
    return listener


def serve(settings: Settings) -> None:
    """Run the gateway until a signal ends it. Raises KakeaiError if it cannot listen."""
    configure_logs(settings)
    listener = listen(settings)
    host = "localhost" if settings.listens_everywhere else settings.host
    log.info("Kakeai listens at http://%s:%d", host, listener.getsockname()[1])
    listeners, operations_port = [listener], None
    if settings.operations_port is not None:
        listeners.append(listen(settings, "operations_port"))
        operations_port = listeners[1].getsockname()[1]
        log.info("Operations are at http://%s:%d", host, operations_port)
    server = GatewayServer(create_app(settings), settings, operations_port)
    gc.freeze()  # what is there now stays: the collector need not look through it again and again
    server.run(sockets=listeners)
