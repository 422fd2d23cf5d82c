"""What the evaluations of a training tell: where it was best, whether it overfits, when it is time to stop.

A point of the curve is a dictionary: `step`, and the figures of `train` and `eval` (`kakeai.model.measuring.figures`).
"""

from collections.abc import Sequence

# Evaluations without a lower held-out loss after which more steps have seldom brought one.
PATIENCE = 10
# So many evaluations in a row must stand above the lowest held-out loss before we speak of overfitting.
RISING_EVALUATIONS = 4


def best(curve: Sequence[dict]) -> dict:
    """Return the point with the lowest held-out loss; the newest of equal ones, so also without held-out tunes."""
    return min(reversed(curve), key=lambda point: point["eval"]["loss"])


def evaluations_since_best(curve: Sequence[dict]) -> int:
    """Return for how many evaluations held-out loss has not reached its lowest again."""
    return sum(point["step"] > best(curve)["step"] for point in curve) if curve else 0


def overfitting(curve: Sequence[dict]) -> str:
    """Return a sentence that warns when held-out loss rises while training loss falls, else nothing."""
    if evaluations_since_best(curve) < RISING_EVALUATIONS:
        return ""
    lowest, newest = best(curve), curve[-1]
    if newest["train"]["loss"] >= lowest["train"]["loss"]:
        return ""
    return (
        f"The model has begun to learn the tunes by heart: since step {lowest['step']} the loss on held-out "
        f"tunes rose from {lowest['eval']['loss']:.3f} to {newest['eval']['loss']:.3f} while training loss kept "
        f"falling. The checkpoint of step {lowest['step']} is kept and used; more tunes or fewer steps help."
    )
