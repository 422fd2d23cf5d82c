"""A decision about a model, and the checks that led to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

RELEASE, REFUSE, KEEP = "release", "refuse", "keep"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: Of the check.
        passed: Whether nothing is wrong.
        figure: What was measured; None where it could not be.
        limit: What it must reach or not exceed; None where nothing is asked.
        sentence: The same in words.
    """

    name: str
    passed: bool
    figure: float | None
    limit: float | None
    sentence: str


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes:
        verdict: RELEASE, REFUSE, or KEEP where the champion is as good.
        sentence: Why.
        champion: Version of the champion, 0 for none.
        checks: What was looked at.
    """

    verdict: str
    sentence: str
    champion: int
    checks: tuple[Check, ...]


def refusal(checks: Sequence[Check]) -> str:
    """Return why a model is refused, all of it."""
    return " ".join(check.sentence for check in checks if not check.passed)


def finite(value: float) -> float | None:
    """Return a number as JSON can say it: None for what is no number, as weights give that went astray."""
    return value if math.isfinite(value) else None
