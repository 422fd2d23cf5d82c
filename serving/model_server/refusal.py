"""Why a request is not answered."""

import grpc


class Refusal(Exception):
    """A request that cannot be answered: the gRPC status code, and TF Serving's words where it has some."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        """`message` is what the client reads."""
        super().__init__(message)
        self.code = code
        self.message = message

    def copy(self) -> "Refusal":
        """The same for another request: an exception collects what it passes through."""
        return Refusal(self.code, self.message)
