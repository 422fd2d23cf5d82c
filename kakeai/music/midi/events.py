"""The bytes of many MIDI files → columns of events, without a step of Python for each byte.

For every byte of the files at once NumPy computes where an event that began there would end; a short loop then
hops from event to event, in all tracks at once. What an event's size depends on beside its own bytes is running
status: whether the last status had one or two data bytes. So there are two nodes for each byte, one for either case.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kakeai.music.midi.format import (
    CHANNEL_DATA_BYTES,
    MAX_TICK,
    META,
    META_MIN_BYTES,
    SYSEX,
    SYSEX_GOES_ON,
)

MAX_DELTA_BYTES = 4  # as the format has it; mido reads more
_PADDING = bytes(16)  # so that what follows the last event can be looked at
_NOWHERE = 2**30  # behind all nodes: what begins there is no plain event
_HOPS = 32  # of a track between two looks at whether it has ended
_FEW_TRACKS = 8  # that Python hops through sooner than NumPy

# By status byte, and for each case of running status: twice the bytes of the event without its payload, plus
# the case of running status after it.
_STEP = np.full((2, 256), _NOWHERE, np.int64)
for _case in (0, 1):
    _STEP[_case, :0x80] = 2 * (1 + _case) + _case  # no status byte: data
    _STEP[_case, [SYSEX, SYSEX_GOES_ON]] = 2 * 2 + _case
    _STEP[_case, META] = 2 * 3 + _case
    for _kind, _size in CHANNEL_DATA_BYTES.items():
        _STEP[_case, _kind : _kind + 16] = 2 * (1 + _size) + (_size - 1)
_TWO_DATA_BYTES = np.array([CHANNEL_DATA_BYTES.get(status & 0xF0, 0) == 2 for status in range(256)])
_KNOWN_META = np.isin(np.arange(256), list(META_MIN_BYTES))


class TrackBytes(NamedTuple):
    """Where the events of a track lie in a file, and the file's number."""

    file: int
    begin: int
    end: int


@dataclass(frozen=True)
class Events:
    """The events of many tracks, in order. The first four columns have a row for each event.

    Attributes:
        track: Number of the track among those given.
        tick: Ticks from the track's beginning.
        status: Status byte, running status filled in.
        data: Where the first byte after the status byte stands in `content`.
        content: The bytes of all files, as numbers.
        raw: The same, as bytes.
        odd: Numbers of the tracks with an event that is damaged or rare: their rows mean nothing.
    """

    track: np.ndarray
    tick: np.ndarray
    status: np.ndarray
    data: np.ndarray
    content: np.ndarray
    raw: bytes
    odd: np.ndarray

    def payload(self, place: int) -> bytes:
        """Return what follows the length at this place, which has one byte or two."""
        size, place = self.raw[place], place + 1
        if size > 0x7F:
            size, place = (size & 0x7F) << 7 | self.raw[place], place + 1
        return self.raw[place : place + size]


def find_events(contents: Sequence[bytes], tracks: Sequence[TrackBytes]) -> Events:
    """Take the tracks of files apart; `tracks` are in the order of the files, and in them of their places."""
    raw = b"".join([*contents, _PADDING])
    content = np.frombuffer(raw, np.uint8)
    offsets = np.cumsum([0, *map(len, contents)])
    file, begin, end = np.array(tracks, np.int64).reshape(-1, 3).T
    begin, end = begin + offsets[file], end + offsets[file]

    delta_bytes = _delta_bytes(content)
    starts, odd = _hop(_next_nodes(content, delta_bytes), begin, end)
    counts = np.diff(np.searchsorted(starts, np.append(begin, len(content))))
    track = np.repeat(np.arange(len(tracks)), counts)
    first = np.cumsum(counts) - counts  # number of each track's first event

    at = starts + delta_bytes[starts]
    status = content[at]
    has_status = status >= 0x80
    is_meta = status == META
    # Meta events do not end a running status.
    last = np.maximum.accumulate(np.where(has_status & ~is_meta, np.arange(len(at)), -1))
    runs = ~has_status
    is_odd = runs & (last < first[track])
    status = np.where(runs, status[last], status)
    is_odd |= runs & (status >= SYSEX)
    data = at + has_status
    is_odd |= (status < SYSEX) & (content[data] >= 0x80)
    is_odd |= _TWO_DATA_BYTES[status] & (content[data + 1] >= 0x80)

    deltas = _deltas(content, starts, delta_bytes[starts])
    is_odd |= _since_begin(deltas, first, track) > MAX_TICK
    # mido forgets the time before a meta event that it does not know
    deltas[is_meta & ~_KNOWN_META[content[data]]] = 0
    return Events(
        track=track,
        tick=_since_begin(deltas, first, track),
        status=status,
        data=data,
        content=content,
        raw=raw,
        odd=np.union1d(odd, track[is_odd]),
    )


def _delta_bytes(content: np.ndarray) -> np.ndarray:
    """For each byte, how many the delta time has that begins there; 5 where it is too long."""
    high = content >> 7
    goes_on = np.ones_like(high)
    count = np.ones_like(high)
    for index in range(MAX_DELTA_BYTES):
        goes_on[: len(high) - index] &= high[index:]
        count += goes_on
    return count


def _next_nodes(content: np.ndarray, delta_bytes: np.ndarray) -> np.ndarray:
    """For each byte and case of running status (number: twice the byte plus the case), the next event's."""
    at = np.arange(len(content)) + delta_bytes
    np.minimum(at, len(content) - 1, out=at)
    status = content[at]
    twice = 2 * at
    nodes = np.empty((len(content), 2), np.int64)
    np.add(_STEP[0][status], twice, out=nodes[:, 0])
    np.add(_STEP[1][status], twice, out=nodes[:, 1])
    for first_byte, has_payload in (
        (2, np.flatnonzero(status == META)),
        (1, np.flatnonzero((status == SYSEX) | (status == SYSEX_GOES_ON))),
    ):
        length = np.minimum(at[has_payload] + first_byte, len(content) - 2)
        size = content[length].astype(np.int64)
        longer = size >= 0x80
        size[longer] = ((size[longer] & 0x7F) << 7) + content[length[longer] + 1] + 1
        size[longer & (content[length + 1] >= 0x80)] = _NOWHERE // 2
        nodes[has_payload] += 2 * size[:, None]
    nodes[delta_bytes > MAX_DELTA_BYTES] = _NOWHERE
    return nodes.ravel()


def _hop(next_nodes: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the events of all tracks begin, and the numbers of the tracks that do not end between two."""
    visited = np.zeros(len(next_nodes), np.bool_)
    last = np.empty_like(end)  # the node where each track is left
    number, node, behind = np.arange(len(begin)), 2 * begin, 2 * end
    while len(number) > _FEW_TRACKS:
        hops = np.empty((_HOPS + 1, len(number)), np.int64)
        hops[0] = node
        for hop, following in itertools.pairwise(hops):
            next_nodes.take(hop, out=following, mode="clip")
        inside = hops < behind
        visited[hops[inside]] = True
        goes_on = inside[-1]
        ended = np.flatnonzero(~goes_on)
        last[number[ended]] = hops[np.count_nonzero(inside[:, ended], axis=0), ended]
        number, node, behind = number[goes_on], next_nodes[hops[-1, goes_on]], behind[goes_on]
    last[number] = [
        _hop_through(next_nodes.data, visited.data, first, stop)
        for first, stop in zip(node.tolist(), behind.tolist(), strict=True)
    ]
    return np.flatnonzero(visited) >> 1, np.flatnonzero(last >> 1 != end)


def _hop_through(next_nodes: memoryview, visited: memoryview, node: int, behind: int) -> int:
    """Mark the nodes of a single track from `node` on; returns the first one that does not lie before `behind`."""
    while node < behind:
        visited[node] = True
        node = next_nodes[node]
    return node


def _deltas(content: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Delta times, in ticks."""
    deltas = (content[starts] & 0x7F).astype(np.int64)
    for index in range(1, MAX_DELTA_BYTES):
        longer = np.flatnonzero(sizes > index)
        deltas[longer] = deltas[longer] << 7 | content[starts[longer] + index] & 0x7F
    return deltas


def _since_begin(deltas: np.ndarray, first: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Sums of the delta times, each track's on its own."""
    ticks = np.cumsum(deltas)
    before = np.concatenate([[0], ticks])[first]
    return ticks - before[track]
