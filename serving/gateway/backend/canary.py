"""Which of two releases a session plays with, while one of them is on trial.

The model server has to carry both labels (TF Serving: ``version_labels`` of the model's configuration).
"""

import hashlib

STABLE, CANARY = "stable", "canary"


def label_for(name: str, canary_share: float) -> str | None:
    """The version label for the session or request called ``name``: the same on every gateway.

    None where there is no canary: the newest version answers then.
    """
    if canary_share == 0.0:
        return None
    digest = hashlib.sha256(name.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return CANARY if place < canary_share else STABLE


def usual_label(canary_share: float) -> str | None:
    """The label that the sessions outside the trial play with; None where there is no canary."""
    if canary_share == 0.0:
        return None
    return CANARY if canary_share == 1.0 else STABLE


def labels_to_ask(label: str | None) -> tuple[str, ...]:
    """A label and the one to ask for instead, where no version with it can answer; after them comes the newest.

    That is so before the canary's version is in the store, and after a trial, when its label is taken away:
    everybody plays with the versions that are there.
    """
    if label is None:
        return ()
    return (CANARY, STABLE) if label == CANARY else (label,)
