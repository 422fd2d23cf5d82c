"""What the gateway asks of a model, and what it gets."""

import secrets
from dataclasses import dataclass

import numpy as np

from serving.gateway.api.messages import MAX_SEED, Dynamics, Take


@dataclass(frozen=True)
class Ask:
    """One request for melodies. ``primer`` is int8[primer], in melody events; ``steps`` are sixteenths.

    A melody is given for each of ``seeds``, by the ``version``, or else the one that bears the ``label``, or else
    the newest.
    """

    model: str
    version: int | None
    primer: np.ndarray
    steps: int
    temperature: float
    seeds: tuple[int, ...]
    label: str | None = None


@dataclass(frozen=True)
class Reply:
    """An answer: int8[steps] in melody events, its natural log likelihood, the seed and version that gave it."""

    melody: np.ndarray
    log_likelihood: float
    seed: int
    version: int

    def take(self, ask: Ask, qpm: float, primer_steps: int, dynamics: Dynamics) -> Take:
        """How to get this answer again."""
        return Take(
            model=ask.model,
            version=self.version,
            seed=self.seed,
            temperature=ask.temperature,
            steps=ask.steps,
            qpm=qpm,
            primer_steps=primer_steps,
            dynamics=dynamics,
        )


def seeds(first: int | None, count: int = 1) -> tuple[int, ...]:
    """``count`` seeds from ``first`` on or, without one, from a fresh one; all survive JSON."""
    first = secrets.randbelow(MAX_SEED + 1) if first is None else first
    return tuple((first + number) % (MAX_SEED + 1) for number in range(count))
