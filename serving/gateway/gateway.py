"""What every route needs: the settings, the model server, the cards, the doors."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from serving.gateway.admission import Admission
from serving.gateway.ask import Ask, Reply
from serving.gateway.backend import Backend
from serving.gateway.cards import Cards
from serving.gateway.exceptions import InvalidRequest
from serving.gateway.metrics import Metrics
from serving.gateway.settings import Settings


@dataclass
class Gateway:
    """One running gateway. It keeps nothing that a restart loses: sessions live with their clients."""

    settings: Settings
    metrics: Metrics
    backend: Backend
    cards: Cards
    answers: Admission
    sessions: Admission
    draining: bool = False

    async def answer(self, ask: Ask, door: str) -> Reply:
        """Let the model answer. ``door`` is the way the request came in, for the metrics.

        Raises Overloaded, or a ModelServerError.
        """
        with self.answers.admit():
            reply = await self.backend.generate(ask)
        self.metrics.answers.labels(door).inc()
        return reply

    def check_notes(self, count: int, field: str = "notes") -> None:
        """Raise InvalidRequest for a phrase of more notes than allowed."""
        if count > self.settings.max_notes:
            raise InvalidRequest(
                f"{field} has {count} notes; a phrase may have {self.settings.max_notes}.", field=field
            )

    def check_steps(self, steps: int, field: str) -> None:
        """Raise InvalidRequest for an answer longer than allowed."""
        if steps > self.settings.max_steps:
            raise InvalidRequest(
                f"{field} asks for {steps} sixteenths; an answer may have {self.settings.max_steps}.",
                field=field,
            )


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that a request or socket came to."""
    return connection.app.state.gateway
