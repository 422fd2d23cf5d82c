"""Bearer tokens: made here, kept as hashes."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

_TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody guesses, so that a plain hash of it is safe to keep."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What the settings keep of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_known(token: str, hashes: Iterable[str]) -> bool:
    """Whether a token's hash is among ``hashes``. All are compared, in constant time: the time tells nothing."""
    digest = token_hash(token)
    return sum(hmac.compare_digest(digest, known) for known in hashes) > 0
