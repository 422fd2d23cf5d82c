"""The packages that only some commands need are extras: `model-server`, `pipeline`, `magenta` and `traces`."""

from importlib.util import find_spec

from kakeai.errors import KakeaiError


class MissingExtraError(KakeaiError):
    """Something was asked for whose packages are not installed."""

    def __init__(self, user: str, extra: str) -> None:
        """Say that `user`, a command or a function, needs the packages of `extra`."""
        super().__init__(f"{user} needs kakeai[{extra}]: pip install 'kakeai[{extra}]'")


def is_installed(package: str) -> bool:
    """Return whether `package` can be imported; it is not imported."""
    return find_spec(package) is not None


def require(package: str, user: str, extra: str) -> None:
    """Check that `package`, which is part of `extra`, is installed; it is not imported.

    Raises:
        MissingExtraError: It is not; the sentence names `user`.
    """
    if not is_installed(package):
        raise MissingExtraError(user, extra)
