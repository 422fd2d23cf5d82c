"""What the gateway asks of a model, and what it gets."""

import secrets
from dataclasses import dataclass

import numpy as np

from serving.gateway.messages import MAX_SEED, Take


@dataclass(frozen=True)
class Ask:
    """One request for a melody. ``primer`` is int8[primer], in melody events; ``steps`` are sixteenths."""

    model: str
    primer: np.ndarray
    steps: int
    temperature: float
    seed: int


@dataclass(frozen=True)
class Reply:
    """The answer: int8[steps] in melody events, its natural log likelihood, the version that gave it."""

    melody: np.ndarray
    log_likelihood: float
    version: int

    def take(self, ask: Ask) -> Take:
        """How to get this answer again."""
        return Take(
            model=ask.model, version=self.version, seed=ask.seed, temperature=ask.temperature, steps=ask.steps
        )


def seed_or_draw(seed: int | None) -> int:
    """``seed`` itself or, without one, a fresh one that survives JSON."""
    return secrets.randbelow(MAX_SEED + 1) if seed is None else seed
