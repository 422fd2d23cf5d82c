"""A door that lets only so many in at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from serving.gateway.exceptions import Overloaded


class Admission:
    """Counts who is inside. Nobody waits at the door: a queue would only make every answer late."""

    def __init__(self, limit: int, what: str) -> None:
        """Let ``limit`` in; ``what`` names the places in the message to whoever stays outside."""
        self.limit = limit
        self.what = what
        self.inside = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Be inside for the length of a block. Raises Overloaded where the limit is reached."""
        if self.inside >= self.limit:
            raise Overloaded(f"All {self.limit} {self.what} are taken; try again in a moment.")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
