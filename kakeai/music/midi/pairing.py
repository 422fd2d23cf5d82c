"""Note-ons and note-offs → notes, as pretty_midi 0.2.11 pairs them, for many tracks at once.

A note-off ends every open note of its track, channel and pitch but those that begin in this very tick. Those
sound on if it has ended another one, and are lost if it has not. Notes that are never ended are dropped.
"""

import numpy as np

from kakeai.music.midi.events import Events


def pair_notes(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """Return the events that begin and that end each note, in the order in which notes end."""
    kind = events.status & 0xF0
    numbers = np.flatnonzero((kind == 0x90) | (kind == 0x80))
    data = events.data[numbers]
    key = (events.status[numbers] & 0x0F).astype(np.uint16) << 7 | events.content[data]
    # One after the other, and in 16 bits, since NumPy sorts these by radix.
    order = np.argsort(key, kind="stable")
    order = order[np.argsort(events.track[numbers[order]].astype(np.uint16), kind="stable")]
    numbers, data, key = numbers[order], data[order], key[order]
    is_on = (kind[numbers] == 0x90) & (events.content[data + 1] > 0)
    track, tick = events.track[numbers], events.tick[numbers]

    follows = (key[1:] == key[:-1]) & (track[1:] == track[:-1])
    later = follows & (tick[1:] > tick[:-1])
    ends = follows & is_on[:-1] & ~is_on[1:]
    struck_again = follows & is_on[:-1] & is_on[1:]
    # A stretch ends with its voice (track, channel, pitch), and where a note-off leaves no note open.
    begins = np.append(True, ~follows)[: len(key)]
    begins[2:] |= ~is_on[1:-1] & later[:-1]
    stretch = np.cumsum(begins) - 1
    is_crowded = np.zeros(len(key), np.bool_)  # by stretch: several notes are open at once
    is_crowded[stretch[1:][struck_again]] = True
    crowded = is_crowded[stretch]
    ends &= later & ~crowded[1:]
    crowd = np.flatnonzero(crowded)
    more_on, more_off = _pair_crowded(*(rows[crowd].tolist() for rows in (numbers, stretch, is_on, tick)))
    on = np.append(numbers[:-1][ends], more_on)
    off = np.append(numbers[1:][ends], more_off)
    order = np.argsort(off * len(kind) + on)
    return on[order], off[order]


def _pair_crowded(
    numbers: list[int], stretches: list[int], are_on: list[bool], ticks: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The same, event by event."""
    on, off = [], []
    sounding: list[tuple[int, int]] = []  # number and tick of the notes that are open
    stretch_before = -1
    for number, stretch, is_on, tick in zip(numbers, stretches, are_on, ticks, strict=True):
        if stretch != stretch_before:
            sounding, stretch_before = [], stretch
        if is_on:
            sounding.append((number, tick))
            continue
        ended = [begun for begun, begin in sounding if begin < tick]
        on += ended
        off += [number] * len(ended)
        sounding = [note for note in sounding if ended and note[1] == tick]
    return np.array(on, np.int64), np.array(off, np.int64)
