"""Notes and signs in ticks → scores in seconds, for many files at once."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from kakeai.music.midi.format import DEFAULT_TEMPO_US, MAX_TICK, MidiError
from kakeai.music.midi.signs import Signs
from kakeai.music.score import KEY_SIGNATURE, MAX_SECONDS, TEMPO, TIME_SIGNATURE, Score

# A file's number times this, plus a tick, puts the ticks of files in a row.
_FILE = 1 << MAX_TICK.bit_length()
_AT_ONCE = 2**18  # ticks, so that what is computed on the way stays small


def make_scores(
    signs: Sequence[Signs], notes: np.ndarray, start: np.ndarray, end: np.ndarray, counts: np.ndarray
) -> list[Score | MidiError]:
    """Make the score of each file, or say why not.

    Args:
        signs: Those of each file.
        notes: NOTE of all files, one after the other; `start` and `end` are filled in here.
        start: Where they begin, in ticks.
        end: Where they end, in ticks.
        counts: How many notes each file has.
    """
    clock = _Clock(signs)
    file = np.repeat(np.arange(len(signs)), counts)
    notes["start"], notes["end"] = clock.seconds(file, start), clock.seconds(file, end)
    metres = _timed([sign.time_signatures for sign in signs], TIME_SIGNATURE, clock)
    keys = _timed([sign.key_signatures for sign in signs], KEY_SIGNATURE, clock)
    scores: list[Score | MidiError] = []
    for sign, own, own_metres, own_keys, tempos in zip(
        signs, _parts(notes, counts), metres, keys, clock.tempos, strict=True
    ):
        total_time = float(own["end"].max(initial=0.0))
        if total_time > MAX_SECONDS:
            hours = f"{total_time / 3600:.0f}"
            scores.append(MidiError(f"the last note ends after {hours} hours; is this file damaged?"))
        else:
            scores.append(Score(own, tempos, own_metres, own_keys, total_time, sign.division))
    return scores


class _Clock:
    """Ticks → seconds, in pretty_midi's float64 steps: another rounding would flip quantised notes."""

    def __init__(self, signs: Sequence[Signs]) -> None:
        """Lay the tempo changes of all files in a row."""
        rows = [(number, *change) for number, sign in enumerate(signs) for change in _tempo_changes(sign)]
        file, self._ticks, self._scales, self._times = (
            np.array(column) for column in zip(*rows, strict=True)
        )
        self._places = file * _FILE + self._ticks
        tempos = np.empty(len(rows), TEMPO)
        division = np.array([sign.division for sign in signs])[file]
        tempos["time"], tempos["qpm"] = self._times, 60.0 / (self._scales * division)
        self.tempos = _parts(tempos, np.bincount(file))

    def seconds(self, file: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        seconds = np.empty(len(ticks))
        for first in range(0, len(ticks), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            change = np.searchsorted(self._places, file[part] * _FILE + ticks[part], side="right") - 1
            seconds[part] = self._times[change] + self._scales[change] * (ticks[part] - self._ticks[change])
        return seconds


def _tempo_changes(signs: Signs) -> Iterator[tuple[int, float, float]]:
    """Yield the tick of each change, the seconds a tick from there, and the seconds there."""
    tick, scale, time = 0, 60.0 / ((6e7 / DEFAULT_TEMPO_US) * signs.division), 0.0
    for next_tick, tempo in signs.tempos:
        next_scale = 60.0 / ((6e7 / tempo) * signs.division)
        if next_tick > 0:
            if next_scale == scale:
                continue
            yield tick, scale, time
            time += scale * (next_tick - tick)
        tick, scale = next_tick, next_scale
    yield tick, scale, time


def _timed(rows: Sequence[list[tuple[int, int, int]]], dtype: np.dtype, clock: _Clock) -> list[np.ndarray]:
    """Each file's rows of a tick and two numbers, as the columns of dtype, whose first is the time in seconds."""
    counts = np.array([len(own) for own in rows])
    tick, first, second = np.array([row for own in rows for row in own], np.int64).reshape(-1, 3).T
    timed = np.empty(len(tick), dtype)
    time, first_column, second_column = dtype.names or ("", "", "")
    timed[time] = clock.seconds(np.repeat(np.arange(len(rows)), counts), tick)
    timed[first_column], timed[second_column] = first, second
    return _parts(timed, counts)


def _parts(rows: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Share rows out: so many for each."""
    stops = np.cumsum(counts).tolist()
    return [rows[start:stop] for start, stop in itertools.pairwise([0, *stops])]
