"""Score → the melodies in it, by the rules of Magenta's melody_rnn pipeline, event for event.

A score is split at changes of metre and tempo and quantised, and from each instrument the stretches are taken
that one voice plays alone (``note_seq.sequences_lib``, ``magenta.pipelines.melody_pipelines``,
``note_seq.melodies_lib``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.music.melody import MIN_PITCH, STEPS_PER_QUARTER, quantised, written
from kakeai.music.score import IMPLICIT_METRE, IMPLICIT_QPM, Score

PITCH_CLASSES = 12

# Why a stretch of a track gave no melody.
POLYPHONY = "polyphony"  # two notes begin on one step: the rest of the track is left
TOO_SHORT = "too_short"
TOO_FEW_PITCHES = "too_few_pitches"
METRE = "metre"  # a bar that is no whole number of steps, or a metre that is none
DRUMS = "drums"  # drum notes alone
NO_NOTES = "no_notes"  # none that can be heard


class Polyphony(StrEnum):
    """What becomes of a track in which notes begin on one step."""

    DROP = "drop"  # the rest of it is left out
    TOP = "top"  # the highest of them are taken


@dataclass(frozen=True)
class Extraction:
    """The rules by which a stretch of a track counts as a melody. The defaults are Magenta's.

    Attributes:
        min_bars: Shorter melodies are dropped.
        max_steps: Longer ones are cut to this.
        min_unique_pitches: Melodies of fewer pitch classes (octaves count as one) are dropped.
        gap_bars: So many bars of silence end a melody.
        polyphony: What becomes of a track in which notes begin together.
    """

    min_bars: int = 7
    max_steps: int = 512
    min_unique_pitches: int = 5
    gap_bars: float = 1.0
    polyphony: Polyphony = Polyphony.DROP

    def __post_init__(self) -> None:
        """Refuse rules by which nothing can be found."""
        for name in ("min_bars", "max_steps", "min_unique_pitches", "gap_bars"):
            value = getattr(self, name)
            if not value >= (1 if name == "max_steps" else 0):
                raise KakeaiError(f"--{name.replace('_', '-')} cannot be {value}")

    @classmethod
    def from_dict(cls, rules: Mapping[str, Any]) -> "Extraction":
        """Return Magenta's rules with those named in `rules` changed.

        Raises:
            KakeaiError: An unknown rule, or a value that it cannot have.
        """
        kinds = {name: type(value) for name, value in asdict(cls()).items()}
        for name in rules:
            if name not in kinds:
                raise KakeaiError(f"unknown rule {name!r} of extraction; known are {', '.join(kinds)}")
        try:
            # A number may have become a float on its way through JSON.
            return cls(**{name: kinds[name](value) for name, value in rules.items()})
        except (TypeError, ValueError) as error:
            raise KakeaiError(f"a rule of extraction has a bad value: {error}") from None


MAGENTA = Extraction()


class Stretch(NamedTuple):
    """A stretch of a track: a melody, or what kept it from being one.

    Attributes:
        track: Its instrument number in the NoteSequence.
        melody: int8 [steps], or None.
        dropped: Why there is none; empty where there is one.
    """

    track: int
    melody: np.ndarray | None
    dropped: str = ""


def extract_melodies(score: Score, rules: Extraction) -> Iterator[Stretch]:
    """Yield the stretches of a score's tracks, its melodies in Magenta's order."""
    notes = score.notes[np.argsort(score.notes["start"], kind="stable")]
    begins = np.ascontiguousarray(notes["start"])
    audible = ~notes["is_drum"] & (notes["velocity"] > 0)
    for segment in _segments(score):
        first, last = np.searchsorted(begins, (segment.begin, segment.end)).tolist()
        part = notes[first:last]
        starts, ends = quantised(
            begins[first:last] - segment.begin,
            np.minimum(part["end"], segment.end) - segment.begin,
            segment.qpm,
        )
        steps_per_bar = _steps_per_bar(segment.metre)
        instruments = part["instrument"]
        # Magenta walks a set of them in the notes' order, which is not ascending where numbers are missing.
        tracks = set(instruments.tolist())
        for track in tracks:
            mine = np.flatnonzero(instruments == track) if len(tracks) > 1 else slice(None)
            if steps_per_bar is None:
                yield Stretch(track, None, METRE)
            elif not audible[first:last][mine].any():
                yield Stretch(track, None, DRUMS if part["is_drum"][mine].any() else NO_NOTES)
            else:
                heard = audible[first:last][mine]
                found = _stretches(part["pitch"][mine], starts[mine], ends[mine], heard, steps_per_bar, rules)
                for melody, dropped in found:
                    yield Stretch(track, melody, dropped)


class _Segment(NamedTuple):
    """A part of a score with one metre and one tempo, from `begin` to before `end` in seconds."""

    begin: float
    end: float
    metre: tuple[int, int]
    qpm: float


def _segments(score: Score) -> Iterator[_Segment]:
    """The score cut wherever its metre or tempo changes, through held notes too.

    A note belongs to the segment where it begins, and ends with it (``split_note_sequence_on_time_changes``).
    """
    changes = [
        (time, None, (numerator, denominator))
        for time, numerator, denominator in score.time_signatures.tolist()
    ]
    changes += [(time, qpm, None) for time, qpm in score.tempos.tolist()]
    changes.sort(key=lambda change: change[0])

    begin, metre, qpm = 0.0, IMPLICIT_METRE, IMPLICIT_QPM
    for time, new_qpm, new_metre in changes:
        if time >= score.total_time:
            break
        changed = (new_metre or metre, qpm if new_qpm is None else new_qpm)
        if changed != (metre, qpm):
            if time > begin:
                yield _Segment(begin, time, metre, qpm)
                begin = time
            metre, qpm = changed
    if score.total_time > begin:
        yield _Segment(begin, score.total_time, metre, qpm)


def _steps_per_bar(metre: tuple[int, int]) -> int | None:
    numerator, denominator = metre
    if numerator <= 0 or denominator <= 0 or denominator & (denominator - 1):
        return None
    steps = STEPS_PER_QUARTER * (4.0 / denominator * numerator)
    return int(steps) if steps % 1 == 0 else None


def _stretches(
    pitches: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    audible: np.ndarray,
    steps_per_bar: int,
    rules: Extraction,
) -> Iterator[tuple[np.ndarray | None, str]]:
    """Yield each melody of one track, or why a stretch of it is none; notes come by their starts."""
    all_starts = starts
    if not audible.all():
        pitches, starts, ends = pitches[audible], starts[audible], ends[audible]
    together = starts[1:] == starts[:-1]
    if rules.polyphony == Polyphony.TOP and together.any():
        order = np.lexsort((-pitches, starts))
        highest = order[np.append(True, ~together)]
        pitches, starts, ends = pitches[highest], starts[highest], ends[highest]
        together = np.zeros(len(starts) - 1, bool)
    apart = starts[1:] - ends[:-1] >= rules.gap_bars * steps_per_bar
    stops = np.flatnonzero(together | apart) + 1  # the notes at which a melody that began before them stops
    search_from = 0
    while (first := int(starts.searchsorted(search_from))) < len(starts):
        stop = int(stops.searchsorted(first, side="right"))
        last = int(stops[stop]) if stop < len(stops) else len(starts)
        if last < len(starts) and together[last - 1]:
            yield None, POLYPHONY
            return
        # The bar in which the track's next note begins, be it an unheard one.
        opening = int(all_starts[all_starts.searchsorted(search_from)])
        begin = opening - (opening - search_from) % steps_per_bar
        end = int(ends[last - 1])
        search_from = end + -end % steps_per_bar
        if end - begin < steps_per_bar * rules.min_bars:
            yield None, TOO_SHORT
            continue
        melody = written(
            pitches[first:last], starts[first:last] - begin, ends[first:last] - begin,
            min(end - begin, rules.max_steps),
        )  # fmt: skip
        if _unique_pitches(melody) < rules.min_unique_pitches:
            yield None, TOO_FEW_PITCHES
            continue
        yield melody, ""


def _unique_pitches(melody: np.ndarray) -> int:
    classes = melody[melody >= MIN_PITCH] % PITCH_CLASSES
    return int(np.count_nonzero(np.bincount(classes, minlength=PITCH_CLASSES)))
