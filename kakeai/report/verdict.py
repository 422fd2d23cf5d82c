"""The decision, in words. `decision` is decision.json, see `kakeai.stages.evaluate`."""

from collections.abc import Mapping
from typing import Any

from kakeai.report.words import signed

Decision = Mapping[str, Any]

VERDICTS = {"release": "Release", "refuse": "Refused", "keep": "Kept back"}
CHECKS = {
    "baseline": "Has learnt enough",
    "champion": "Against the model in service",
    "known_tunes": "On tunes known before",
    "newcomers": "What came in can be learnt from",
    "copying": "Does not copy",
    "silence": "Is not silent",
    "repetition": "Is not stuck",
    "pitch_range": "Has the range of tunes",
    "golden_answers": "Answers through a model server",
}
FAULTS = {
    "baseline": "it has not learnt enough",
    "champion": "it is worse than the one in service",
    "known_tunes": "what came in has spoilt it",
    "newcomers": "what came in is no more than random notes",
    "copying": "it copies",
    "silence": "it falls silent",
    "repetition": "it gets stuck",
    "pitch_range": "it leaves the range of tunes",
    "golden_answers": "what is served is not what was measured",
}
SHARES = ("copying", "silence", "repetition", "pitch_range")  # checks whose figures are shares of answers


def headline(decision: Decision) -> str:
    """Return the one sentence to read."""
    version = decision["champion"]
    match decision["verdict"]:
        case "release" if version:
            return f"The new model takes the place of version {version}."
        case "release":
            return "The first model is good enough to play with."
        case "keep":
            return f"Version {version} stays: the new model is not better."
    faults = [FAULTS[check["name"]] for check in decision["checks"] if not check["passed"]]
    listed = ", ".join(faults[:-1]) + " and " + faults[-1] if len(faults) > 1 else "".join(faults)
    return f"The new model is refused: {listed}."


def figure(name: str, value: float | None) -> str:
    """Return a check's figure or limit as people read it."""
    if value is None:
        return "–"
    if name in SHARES:
        return f"{100 * value:.0f} %"
    if name == "golden_answers" or not value:
        return f"{value:g}"
    return signed(value)
