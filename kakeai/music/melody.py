"""Score → quantised steps → Melody events → notes again.

A melody is ``np.int8[steps]``, four steps a quarter note: -2 nothing new, -1 note-off, 0..127 note-on at that
pitch. Extraction follows Magenta's melody_rnn pipeline event for event: split at changes of metre and tempo,
quantise, and take from each instrument the stretches that one voice plays alone (``note_seq.sequences_lib``,
``magenta.pipelines.melody_pipelines``, ``note_seq.melodies_lib``).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kakeai.music.score import MAX_PITCH, MIN_PITCH, NOTE, Score

__all__ = [
    "MAX_PITCH",
    "MIN_PITCH",
    "NOTE_OFF",
    "NO_EVENT",
    "STEPS_PER_QUARTER",
    "Extraction",
    "extract_melodies",
    "melody_from_notes",
    "notes_from_melody",
]

NO_EVENT = -2
NOTE_OFF = -1
STEPS_PER_QUARTER = 4
PITCH_CLASSES = 12

# Why a track or a stretch of it gave no melody.
POLYPHONY = "polyphony"  # two notes begin on one step: the rest of the track is left
TOO_SHORT = "too_short"
TOO_FEW_PITCHES = "too_few_pitches"
METRE = "metre"  # a bar that is no whole number of steps, or a metre that is none
DRUMS = "drums"  # a track with drum notes alone
NO_NOTES = "no_notes"

_IMPLICIT_METRE = (4, 4)  # where a file names none, as in note-seq
_IMPLICIT_QPM = 120.0


@dataclass(frozen=True)
class Extraction:
    """The rules by which a stretch of a track counts as a melody. The defaults are Magenta's."""

    min_bars: int = 7  # shorter melodies are dropped
    max_steps: int = 512  # longer ones are cut to this
    min_unique_pitches: int = 5  # pitch classes: octaves count as one
    gap_bars: float = 1.0  # this much silence ends a melody


@dataclass(frozen=True)
class _Segment:
    """A stretch of a score with one metre and one tempo, its notes' times counted from its beginning."""

    notes: np.ndarray  # NOTE, by start
    metre: tuple[int, int]
    qpm: float


def extract_melodies(score: Score, rules: Extraction) -> tuple[list[np.ndarray], Counter[str]]:
    """The score's melodies (int8[steps]) in Magenta's order, and how often each reason kept one out."""
    melodies: list[np.ndarray] = []
    dropped: Counter[str] = Counter()
    if not len(score.notes):
        dropped[NO_NOTES] += 1
    for segment in _segments(score):
        if not len(segment.notes):
            continue
        numerator, denominator = segment.metre
        if numerator <= 0 or denominator <= 0 or denominator & (denominator - 1):
            dropped[METRE] += 1
            continue
        steps_per_bar = STEPS_PER_QUARTER * (4.0 / denominator * numerator)
        if steps_per_bar % 1 != 0:
            dropped[METRE] += 1
            continue
        starts, ends = _quantised(segment.notes, segment.qpm)
        instruments = segment.notes["instrument"]
        by_instrument = np.argsort(instruments, kind="stable")
        first = np.flatnonzero(np.append(True, np.diff(instruments[by_instrument]) != 0))
        tracks = dict(
            zip(instruments[by_instrument[first]].tolist(), np.split(by_instrument, first[1:]), strict=True)
        )
        # Magenta walks a set of them in the notes' order, which is not ascending where numbers are missing.
        for instrument in set(instruments.tolist()):
            mine = tracks[instrument]
            melodies += _track_melodies(
                segment.notes[mine], starts[mine], ends[mine], int(steps_per_bar), rules, dropped
            )
    return melodies, dropped


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

    metre, qpm = _IMPLICIT_METRE, _IMPLICIT_QPM
    states = [(0.0, metre, qpm)]  # from when on, and what
    for time, new_qpm, new_metre in changes:
        if time >= score.total_time:
            break
        changed = (new_metre or metre, qpm if new_qpm is None else new_qpm)
        if changed != (metre, qpm):
            metre, qpm = changed
            if time > states[-1][0]:
                states.append((time, metre, qpm))
            else:
                states[-1] = (states[-1][0], metre, qpm)

    notes = score.notes[np.argsort(score.notes["start"], kind="stable")]
    times = [*(time for time, _, _ in states), score.total_time]
    bounds = np.searchsorted(notes["start"], times, side="left")
    for index, (begin, metre, qpm) in enumerate(states):
        part = notes[bounds[index] : bounds[index + 1]].copy()
        part["start"] -= begin
        part["end"] = np.minimum(part["end"], times[index + 1]) - begin
        yield _Segment(part, metre, qpm)


def _quantised(notes: np.ndarray, qpm: float) -> tuple[np.ndarray, np.ndarray]:
    """The notes' first steps and the steps where they end, int64 each; a note takes one step at least."""
    steps_per_second = STEPS_PER_QUARTER * qpm / 60.0
    starts = (notes["start"] * steps_per_second + 0.5).astype(np.int64)
    ends = (notes["end"] * steps_per_second + 0.5).astype(np.int64)
    return starts, np.where(ends == starts, starts + 1, ends)


def _track_melodies(
    notes: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    steps_per_bar: int,
    rules: Extraction,
    dropped: Counter[str],
) -> Iterator[np.ndarray]:
    """One instrument's melodies; adds to `dropped` what was kept out."""
    all_starts = np.sort(starts)
    audible = ~notes["is_drum"] & (notes["velocity"] > 0)
    if not audible.any():
        dropped[DRUMS if notes["is_drum"].any() else NO_NOTES] += 1
        return
    pitches, starts, ends = notes["pitch"][audible], starts[audible], ends[audible]
    order = np.argsort(starts, kind="stable")
    pitches, starts, ends = pitches[order], starts[order], ends[order]

    together = starts[1:] == starts[:-1]
    apart = starts[1:] - ends[:-1] >= rules.gap_bars * steps_per_bar
    stops = np.flatnonzero(together | apart) + 1  # the notes at which a melody that began before them stops
    search_from = 0
    while (first := int(np.searchsorted(starts, search_from))) < len(starts):
        stop = int(np.searchsorted(stops, first, side="right"))
        last = int(stops[stop]) if stop < len(stops) else len(starts)
        if last < len(starts) and together[last - 1]:
            dropped[POLYPHONY] += 1
            return
        # The bar in which the track's next note begins, be it an unheard one.
        opening = int(all_starts[np.searchsorted(all_starts, search_from)])
        begin = opening - (opening - search_from) % steps_per_bar
        end = int(ends[last - 1])
        search_from = end + -end % steps_per_bar
        if end - begin < steps_per_bar * rules.min_bars:
            dropped[TOO_SHORT] += 1
            continue
        melody = _written(
            pitches[first:last], starts[first:last] - begin, ends[first:last] - begin,
            min(end - begin, rules.max_steps),
        )  # fmt: skip
        if len(np.unique(melody[melody >= MIN_PITCH] % PITCH_CLASSES)) < rules.min_unique_pitches:
            dropped[TOO_FEW_PITCHES] += 1
            continue
        yield melody


def _written(pitches: np.ndarray, starts: np.ndarray, ends: np.ndarray, steps: int) -> np.ndarray:
    """Events, int8[steps], of notes by their distinct starts; each is cut where the next begins."""
    melody = np.full(steps, NO_EVENT, np.int8)
    # Note-offs first: a note that begins where another ends takes its step.
    offs = ends[np.append(ends[:-1] < starts[1:], True)] if len(ends) else ends
    melody[offs[offs < steps]] = NOTE_OFF
    heard = starts < steps
    melody[starts[heard]] = pitches[heard]
    return melody


def melody_from_notes(notes: np.ndarray, qpm: float, steps: int) -> np.ndarray:
    """What a player played, as events on the grid from second 0: NOTE[n] → int8[steps].

    Each note goes to the nearest step and takes one at least; of notes on one step the highest counts, and a
    note that is still held when the next begins is cut there (as Magenta reads a primer). What begins at or
    after `steps` is left out; a note held to the end simply ends with the melody.
    """
    notes = notes[~notes["is_drum"] & (notes["velocity"] > 0)]
    starts, ends = _quantised(notes, qpm)
    order = np.lexsort((-notes["pitch"], starts))
    order = order[(starts[order] >= 0) & (starts[order] < steps)]
    starts, ends, pitches = starts[order], ends[order], notes["pitch"][order]
    highest = np.append(True, starts[1:] != starts[:-1])[: len(starts)]
    return _written(pitches[highest], starts[highest], ends[highest], steps)


def notes_from_melody(melody: np.ndarray, qpm: float, velocity: int = 100) -> np.ndarray:
    """Events, int8[steps] → NOTE[n], in seconds from the first step. The melody's end ends a held note."""
    seconds_per_step = 60.0 / qpm / STEPS_PER_QUARTER
    melody = np.asarray(melody)
    events = np.flatnonzero(melody != NO_EVENT)  # each event but a hold ends what sounded before it
    until = np.append(events[1:], len(melody))
    heard = melody[events] >= MIN_PITCH
    notes = np.zeros(int(heard.sum()), NOTE)
    notes["pitch"], notes["velocity"] = melody[events][heard], velocity
    notes["start"], notes["end"] = events[heard] * seconds_per_step, until[heard] * seconds_per_step
    return notes
