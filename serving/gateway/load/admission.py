"""A door that lets only so many in at once, and only so many of one client."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import prometheus_client

from serving.gateway.errors import Overloaded, TooMany

_IPV6_CLIENT_BITS = 64  # one subscriber's network; addresses inside it cost nothing


class Admission:
    """Counts who is inside. Nobody waits at the door: a queue would only make every answer late."""

    def __init__(
        self,
        what: str,
        limit: Callable[[], int],
        limit_per_client: int | None,
        shed: prometheus_client.Counter,
    ) -> None:
        """Let ``limit()`` in; ``what`` names the places to whoever stays outside and is counted in ``shed``."""
        self._what = what
        self._limit = limit
        self._limit_per_client = limit_per_client
        self._shed = shed
        self._clients: Counter[str] = Counter()
        self.inside = 0

    def check(self, host: str | None) -> None:
        """Raise Overloaded where the limit is reached, TooMany where it is the limit for the client ``host``."""
        if self.inside >= (limit := self._limit()):
            self._shed.labels(self._what, "all").inc()
            raise Overloaded(f"All {limit} places for {self._what} are taken; try again in a moment.")
        if self._limit_per_client is not None and self._clients[client_of(host)] >= self._limit_per_client:
            self._shed.labels(self._what, "client").inc()
            raise TooMany(f"One client may have {self._limit_per_client} {self._what} at once.")

    @contextmanager
    def admit(self, host: str | None) -> Iterator[None]:
        """Be inside for the length of a block. Raises as ``check`` does."""
        self.check(host)
        client = client_of(host)
        self.inside += 1
        self._clients[client] += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]


def client_of(host: str | None) -> str:
    """Who counts as one client: an IPv4 address, or a subscriber's IPv6 network."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_CLIENT_BITS), strict=False))
