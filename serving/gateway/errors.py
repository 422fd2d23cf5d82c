"""What can go wrong in the gateway, by who is at fault.

KakeaiError                     one clear sentence for the user
└── GatewayError                with an HTTP status, a title and, where there is one, the field at fault
    ├── MalformedRequest        400  the caller: not JSON at all
    ├── Unauthorized            401  the caller: no token, or one that is not known
    ├── ForeignOrigin           403  the caller: a page of a site that is not allowed
    ├── NotAcceptable           406  the caller: an answer of a kind nobody here writes
    ├── RequestTooSlow          408  the caller: the body did not arrive in time
    ├── OutOfTurn               409  the caller: a frame the session does not expect now
    ├── RequestTooLarge         413  the caller: a body over the limit
    ├── UnsupportedMediaType    415  the caller: a body of a kind nobody here reads
    ├── InvalidRequest          422  the caller: a value
    ├── TooMany                 429  the caller: as many at once as one client may have
    ├── Overloaded              503  the gateway: as many at once as it is set to bear
    ├── NotReady                503  the gateway: it is going, or nothing can answer yet
    └── ModelServerError
        ├── ModelNotFound           404  the caller, or nothing was released under that name or number
        │   └── LabelMissing             whoever took a release off trial
        ├── RequestRefused          422  the model server does not take this input
        ├── ModelServerUnavailable  503  nobody listens there, it is overloaded, or it stops
        ├── ModelServerTooSlow      504  no answer before the deadline
        └── ModelServerFault        502  anything else it says, or an answer that is none
"""

from collections.abc import Mapping
from typing import ClassVar

from kakeai.errors import KakeaiError

_SOON = {"Retry-After": "1"}  # seconds
_GOOD_BYE = {"Connection": "close"}  # or whoever sends an endless body would go on for ever


class GatewayError(KakeaiError):
    """An error with its HTTP status. ``field`` names the part at fault, as in ``notes[3].pitch``."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    headers: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(
        cls, status: int | None = None, title: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Take status, title and headers from the class statement; what it leaves out is inherited."""
        super().__init_subclass__()
        for name, value in (("status", status), ("title", title), ("headers", headers)):
            if value is not None:
                setattr(cls, name, value)

    def __init__(self, sentence: str, field: str | None = None) -> None:
        """One clear sentence for the client."""
        super().__init__(sentence)
        self.field = field


class MalformedRequest(GatewayError, status=400, title="Malformed request"):
    """A body or frame that is not JSON."""


class Unauthorized(
    GatewayError, status=401, title="Unauthorized", headers={"WWW-Authenticate": 'Bearer realm="kakeai"'}
):
    """A request without a token that the gateway knows."""


class ForeignOrigin(GatewayError, status=403, title="Origin not allowed"):
    """A socket opened by a page of a site that is not allowed to."""


class NotAcceptable(GatewayError, status=406, title="Not acceptable"):
    """An answer wanted in a kind that no route writes."""


class RequestTooSlow(GatewayError, status=408, title="Request too slow", headers=_GOOD_BYE):
    """A body that did not arrive in time."""


class OutOfTurn(GatewayError, status=409, title="Out of turn"):
    """A frame that the session does not expect in its present state."""


class RequestTooLarge(GatewayError, status=413, title="Request too large", headers=_GOOD_BYE):
    """A body over the limit."""


class UnsupportedMediaType(GatewayError, status=415, title="Unsupported media type"):
    """A body of a kind that no route reads."""


class InvalidRequest(GatewayError, status=422, title="Invalid request"):
    """A value that cannot be used."""


class TooMany(GatewayError, status=429, title="Too many at once", headers=_SOON):
    """One client has as many requests or sessions under way as it may."""


class Overloaded(GatewayError, status=503, title="Too busy", headers=_SOON):
    """As many requests or sessions are under way as the gateway is set to bear."""


class NotReady(GatewayError, status=503, title="Not ready", headers=_SOON):
    """The gateway is shutting down, or the model has no version that can answer."""


class ModelServerError(GatewayError):
    """The model server could not answer."""


class ModelNotFound(ModelServerError, status=404, title="No such model"):
    """The model server has no such model, or no such version of it."""


class LabelMissing(ModelNotFound):
    """No version of the model has a label, or the version that has it cannot answer."""


class RequestRefused(ModelServerError, status=422, title="The model refused the request"):
    """The model does not take this input."""


class ModelServerUnavailable(ModelServerError, status=503, title="Model server unavailable", headers=_SOON):
    """Nobody answers at the model server's address, it has no room, or it stops."""


class ModelServerTooSlow(ModelServerError, status=504, title="Model server too slow"):
    """No answer before the deadline."""


class ModelServerFault(ModelServerError, status=502, title="Model server fault"):
    """The model server failed, or answered with something that is no melody."""
