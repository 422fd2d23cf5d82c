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
    more_on, more_off = _pair_crowded(*(rows[crowd] for rows in (numbers, stretch, is_on, tick)))
    on = np.append(numbers[:-1][ends], more_on)
    off = np.append(numbers[1:][ends], more_off)
    order = np.argsort(off * len(kind) + on)
    return on[order], off[order]


def _pair_crowded(
    numbers: np.ndarray, stretch: np.ndarray, is_on: np.ndarray, tick: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pair the events of stretches in which several notes are open at once."""
    on, off = np.flatnonzero(is_on), np.flatnonzero(~is_on)
    next_off = np.cumsum(~is_on)[on]  # after each note-on: which of the note-offs it is
    on, next_off = on[next_off < len(off)], next_off[next_off < len(off)]
    has_off = stretch[on] == stretch[off[next_off]]
    on, next_off = on[has_off], next_off[has_off]
    is_later = tick[off[next_off]] > tick[on]

    # Of each note-off: whether it would end notes that the one before it let sound on.
    goes_on = np.zeros(len(off) + 1, np.bool_)
    goes_on[next_off[~is_later] + 1] = True
    goes_on[1:-1] &= (stretch[off[1:]] == stretch[off[:-1]]) & (tick[off[1:]] > tick[off[:-1]])
    goes_on[-1] = False
    # It ends a note if there is one from since the note-off before; or if it is one of a row that goes on from such.
    ends_new = np.zeros(len(off), np.bool_)
    ends_new[next_off[is_later]] = True
    counts = np.arange(len(off))
    row_begins = np.maximum.accumulate(np.where(goes_on[:-1], -1, counts))
    ends_any = np.maximum.accumulate(np.where(ends_new, counts, -1)) >= row_begins
    sounds_on = ~is_later & goes_on[next_off + 1] & ends_any[next_off]

    return (
        numbers[np.append(on[is_later], on[sounds_on])],
        numbers[off[np.append(next_off[is_later], next_off[sounds_on] + 1)]],
    )
