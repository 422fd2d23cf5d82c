"""Reading from connections in small pieces, so that no client's bytes hold the event loop for long.

An event loop reads a quarter of a mebibyte at once, which can be ten thousand requests or forty thousand empty frames,
and uvicorn parses all of it before anybody else gets a turn.
"""

# uvicorn's protocols and asyncio's base of protocols with a buffer differ in the type of ``eof_received`` alone.
# pyright: reportIncompatibleMethodOverride=false

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

PIECE_BYTES = 4096


class InPieces(asyncio.BufferedProtocol):
    """Mix-in for a protocol: the event loop reads PIECE_BYTES at once and hands them to its ``data_received``."""

    _piece = bytearray()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the next piece goes."""
        self._piece = bytearray(PIECE_BYTES)
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self.data_received(bytes(self._piece[:nbytes]))  # pyright: ignore[reportAttributeAccessIssue]


class HttpInPieces(InPieces, HttpToolsProtocol):
    """uvicorn's HTTP protocol."""


class WebSocketInPieces(InPieces, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol."""
