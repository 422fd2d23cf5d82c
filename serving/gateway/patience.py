"""How long a connection may take: no client holds one open by being slow."""

import asyncio
import socket

import h11
from prometheus_client import Counter
from uvicorn.protocols.http.h11_impl import H11Protocol


def patient_protocol(request_seconds: float, given_up: Counter) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, but a request's head has to arrive within ``request_seconds``.

    uvicorn itself waits for it for ever. The time starts with the connection and, on a connection that is kept
    alive, with the head's first byte; a body that no route reads counts as part of the next head. Connections
    that are closed for it are counted in ``given_up``.
    """

    class PatientProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.transport.get_protocol() is self and (self.cycle is None or self.cycle.response_complete):
                self._expect_head()
            else:
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def on_response_complete(self) -> None:
            self._stop_waiting()
            super().on_response_complete()

        def _expect_head(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(request_seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            given_up.inc()
            if self.conn.our_state is h11.IDLE:
                close = [("connection", "close"), ("content-length", "0")]
                self.transport.write(self.conn.send(h11.Response(status_code=408, headers=close)) or b"")
            self.transport.close()

    return PatientProtocol


def limit_sending(listener: socket.socket, seconds: float) -> None:
    """Let the kernel end connections whose client reads nothing for so long, wherever they come from."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
