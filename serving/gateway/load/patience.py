"""How long a connection may take, and how much it may say first: no client holds one open by being slow."""

import asyncio
import socket

from prometheus_client import Counter

from serving.gateway.load.pieces import HttpInPieces

MAX_HEAD_BYTES = 32 << 10  # of a request line and headers; browsers send a few hundred

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def patient_protocol(request_seconds: float, given_up: Counter) -> type[HttpInPieces]:
    """uvicorn's HTTP protocol, but a request's head has to arrive within ``request_seconds``.

    uvicorn itself waits for it for ever. The time starts with the connection and, on a connection that is kept
    alive, with the head's first byte; a body that no route reads counts as part of the next head. Connections
    that are closed for it are counted in ``given_up``. A head of more than MAX_HEAD_BYTES is refused.
    """

    class PatientProtocol(HttpInPieces):
        _deadline: asyncio.TimerHandle | None = None
        _head_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.transport.get_protocol() is not self or (self.cycle and not self.cycle.response_complete):
                self._stop_waiting()
                return
            self._expect_head()
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's head is too long.")

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
            self._head_bytes = 0
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            given_up.inc()
            self.transport.write(_TOO_SLOW)
            self.transport.close()

    return PatientProtocol


def limit_sending(listener: socket.socket, seconds: float) -> None:
    """Let the kernel end connections whose client reads nothing for so long, wherever they come from."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))
