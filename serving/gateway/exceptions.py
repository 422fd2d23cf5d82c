"""What can go wrong in the gateway, by who is at fault.

KakeaiError                     one clear sentence for the user
└── GatewayError                with an HTTP status, a title and, where there is one, the field at fault
    ├── InvalidRequest          422  the caller: a value
    ├── MalformedRequest        400  the caller: not JSON at all
    ├── RequestTooSlow          408  the caller: the body did not arrive in time
    ├── RequestTooLarge         413  the caller: a body over the limit
    ├── UnsupportedMediaType    415  the caller: a body of a kind nobody here reads
    ├── NotAcceptable           406  the caller: an answer of a kind nobody here writes
    ├── OutOfTurn               409  the caller: a frame the session does not expect now
    ├── Overloaded              503  the gateway: as many at once as it is set to bear
    ├── NotReady                503  the gateway: it is going, or nothing can answer yet
    └── ModelServerError
        ├── ModelNotFound           404  the caller, or nothing was released under that name
        ├── RequestRefused          422  the model server does not take this input
        ├── ModelServerUnavailable  503  nobody listens there, or it is overloaded
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

    def __init__(self, sentence: str, field: str | None = None) -> None:
        """One clear sentence for the client."""
        super().__init__(sentence)
        self.field = field


class InvalidRequest(GatewayError):
    """A value that cannot be used."""

    status = 422
    title = "Invalid request"


class MalformedRequest(GatewayError):
    """A body or frame that is not JSON."""

    status = 400
    title = "Malformed request"


class RequestTooSlow(GatewayError):
    """A body that did not arrive in time."""

    status = 408
    title = "Request too slow"
    headers = _GOOD_BYE


class RequestTooLarge(GatewayError):
    """A body over the limit."""

    status = 413
    title = "Request too large"
    headers = _GOOD_BYE


class UnsupportedMediaType(GatewayError):
    """A body of a kind that no route reads."""

    status = 415
    title = "Unsupported media type"


class NotAcceptable(GatewayError):
    """An answer wanted in a kind that no route writes."""

    status = 406
    title = "Not acceptable"


class OutOfTurn(GatewayError):
    """A frame that the session does not expect in its present state."""

    status = 409
    title = "Out of turn"


class Overloaded(GatewayError):
    """As many requests or sessions are under way as the gateway is set to bear."""

    status = 503
    title = "Too busy"
    headers = _SOON


class NotReady(GatewayError):
    """The gateway is shutting down, or the model has no version that can answer."""

    status = 503
    title = "Not ready"
    headers = _SOON


class ModelServerError(GatewayError):
    """The model server could not answer."""


class ModelNotFound(ModelServerError):
    """The model server has no such model."""

    status = 404
    title = "No such model"


class RequestRefused(ModelServerError):
    """The model does not take this input."""

    status = 422
    title = "The model refused the request"


class ModelServerUnavailable(ModelServerError):
    """Nobody answers at the model server's address, or it has no room."""

    status = 503
    title = "Model server unavailable"
    headers = _SOON


class ModelServerTooSlow(ModelServerError):
    """No answer before the deadline."""

    status = 504
    title = "Model server too slow"


class ModelServerFault(ModelServerError):
    """The model server failed, or answered with something that is no melody."""

    status = 502
    title = "Model server fault"
