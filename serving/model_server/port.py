"""The port to listen on, and in words why it cannot be had."""

import errno
import socket

from kakeai.errors import KakeaiError

HIGHEST_PORT = 65535


def check_free(host: str, port: int) -> None:
    """Raise KakeaiError with the operating system's reason if nothing can listen on `port` of `host` now.

    gRPC keeps that reason to itself. Port 0 stands for any free one.
    """
    if not 0 <= port <= HIGHEST_PORT:
        raise KakeaiError(
            f"There is no port {port}: choose one from 1 to {HIGHEST_PORT}, or 0 for any free one."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just closed counts as free
            probe.bind(address)
            probe.listen()
    except OSError as error:
        remedy = "choose another address or port"
        if error.errno == errno.EADDRINUSE:
            remedy = "stop the program that uses the port, or choose another port"
        reason = (error.strerror or str(error)).lower()
        raise KakeaiError(f"Cannot listen on port {port} of {host}: {reason}; {remedy}.") from error
