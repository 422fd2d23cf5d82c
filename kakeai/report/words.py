"""What the figures say, in words. `figures` is metrics.json, see `kakeai.stages.evaluate`."""

from collections.abc import Mapping
from typing import Any

Figures = Mapping[str, Any]


def headline(figures: Figures) -> str:
    """Return the one sentence to read."""
    if figures["beats_ngram"] is None:
        return "No tunes were held out, so nobody can say how well the model predicts new ones."
    low, high = figures["gain_low"], figures["gain_high"]
    if low is not None and low <= 0 <= high:
        return "On tunes it has never seen, the model does about as well as an n-gram."
    if figures["beats_ngram"]:
        return "The model predicts tunes it has never seen better than an n-gram does."
    return "The model does not predict unseen tunes as well as an n-gram yet."


def comparison(figures: Figures) -> str:
    """Return how the model and the n-gram compare, empty where nothing was held out."""
    none_held_out, gone_astray = figures["beats_ngram"] is None, figures["model_nll_per_note"] is None
    if none_held_out or gone_astray:
        return ""
    better = round(figures["gain_share_of_tunes"] * figures["num_eval_tunes"])
    return (
        f"It expects {percent(figures['model_event_accuracy'])} of their notes and rests just as they come, "
        f"the n-gram {percent(figures['ngram_event_accuracy'])}; to say which note comes and when costs it "
        f"{figures['model_nll_per_note']:.2f} nats, the n-gram {figures['ngram_nll_per_note']:.2f}. It is "
        f"the better one on {better:,} of {counted(figures['num_eval_tunes'], 'tune')}."
    )


def doubt(figures: Figures) -> str:
    """Return how sure the difference between model and n-gram is."""
    if figures["gain_nll_per_step"] is None:
        return ""
    gain = f"The model gains {signed(figures['gain_nll_per_step'])} nats a step over the n-gram"
    if figures["gain_low"] is None:
        return f"{gain}; one tune alone tells nothing about others."
    return (
        f"{gain}; for tunes of this kind, the true gain lies between {signed(figures['gain_low'])} and "
        f"{signed(figures['gain_high'])} with 95 % confidence, by the differences between tunes."
    )


def quotation(notes: int, source: str) -> str:
    """Return how much a sample has from a training tune."""
    if not notes:
        return "Shares no two notes in a row with any training tune."
    return f"Nearest training tune: {source}, which has the {notes} underlined notes too, in any key."


def quotations(figures: Figures) -> str:
    """Return how much the samples have from training tunes, beside what tunes have from each other."""
    longest, median = figures["samples_quotation_longest"], figures["samples_quotation_median"]
    said = (
        f"The longest passage shared with a training tune: {counted(longest, 'note')} "
        f"(the median of {counted(figures['num_samples'], 'sample')} is {median:g})."
    )
    longest, median = figures["held_out_quotation_longest"], figures["held_out_quotation_median"]
    if longest is None:
        return said
    return (
        f"{said} The held-out tunes themselves share up to {counted(longest, 'note')} with training tunes "
        f"(median {median:g})."
    )


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f} %"


def signed(number: float) -> str:
    """Return a number with its sign."""
    return f"{number:+.3f}".replace("-", "−")
