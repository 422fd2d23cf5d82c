"""Many MIDI files → scores at once: what `read_midi` gives for each, about three times as fast.

Files whose every event is plain are read as columns; the others, and those that are damaged, one by one.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kakeai.music.midi.chunks import find_tracks, read_header
from kakeai.music.midi.events import Events, TrackBytes, find_events
from kakeai.music.midi.format import DRUM_CHANNEL, META, SYSEX, SYSEX_GOES_ON, MidiError, is_sysex_payload
from kakeai.music.midi.pairing import pair_notes
from kakeai.music.midi.reading import read_midi
from kakeai.music.midi.seconds import make_scores
from kakeai.music.midi.signs import CHECKED_META, Signs, read_meta
from kakeai.music.score import NOTE, Score

BATCH_BYTES = 2**18  # read together; more no longer fits a processor's cache
MAX_PLAIN_BYTES = 2**20  # of one file: its columns take about a hundred times as much memory

_CHECKED_META = np.isin(np.arange(256), CHECKED_META)


def read_midi_files(contents: Sequence[bytes]) -> list[Score | MidiError]:
    """Read each as `read_midi` does; an error stands where a file cannot be read."""
    scores: list[Score | MidiError] = []
    for first, stop in _batches([len(content) for content in contents]):
        scores += _read_batch(contents[first:stop])
    return scores


def _batches(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut the files into batches of BATCH_BYTES and what the last file is over: first number, and last plus one."""
    first = total = 0
    for number, size in enumerate(sizes):
        total += size
        if total >= BATCH_BYTES:
            yield first, number + 1
            first, total = number + 1, 0
    if first < len(sizes):
        yield first, len(sizes)


def _read_batch(contents: Sequence[bytes]) -> list[Score | MidiError]:
    plain: dict[int, Score | MidiError] = {}
    signs: list[Signs] = []
    tracks: list[TrackBytes] = []
    numbers: list[int] = []  # of the files that look plain
    for number, content in enumerate(contents):
        try:
            division, count, position = read_header(content)
        except MidiError:
            continue
        found = find_tracks(content, count, position)
        if found and len(content) <= MAX_PLAIN_BYTES:
            tracks += [TrackBytes(len(numbers), begin, end) for begin, end in found]
            numbers.append(number)
            signs.append(Signs(division))
    if numbers:
        scores = _read_plain([contents[number] for number in numbers], tracks, signs)
        plain = {number: score for number, score in zip(numbers, scores, strict=True) if score is not None}
    return [
        plain[number] if number in plain else _read_one(content) for number, content in enumerate(contents)
    ]


def _read_one(content: bytes) -> Score | MidiError:
    try:
        return read_midi(content)
    except MidiError as error:
        return error


def _read_plain(
    contents: Sequence[bytes], tracks: Sequence[TrackBytes], signs: Sequence[Signs]
) -> list[Score | MidiError | None]:
    """The score of each file, None for those with an event that is not plain."""
    events = find_events(contents, tracks)
    file_of_track = np.array([track.file for track in tracks])
    odd = {*file_of_track[events.odd].tolist()}
    odd |= _read_signs(events, file_of_track, signs, odd)
    on, off = pair_notes(events)
    if odd:
        sound = ~np.isin(file_of_track[events.track[off]], list(odd))
        on, off = on[sound], off[sound]

    file, channel = file_of_track[events.track[off]], events.status[off] & 0x0F
    program = _programs(events, off)
    instrument, order = _instruments((events.track[off] << 4 | channel) << 7 | program, file, len(contents))
    on, off = on[order], off[order]
    notes = np.empty(len(on), NOTE)
    notes["pitch"] = events.content[events.data[on]]
    notes["velocity"] = events.content[events.data[on] + 1]
    notes["instrument"], notes["program"] = instrument[order], program[order]
    notes["is_drum"] = channel[order] == DRUM_CHANNEL
    counts = np.bincount(file, minlength=len(contents))
    scores = make_scores(signs, notes, events.tick[on], events.tick[off], counts)
    return [None if number in odd else score for number, score in enumerate(scores)]


def _read_signs(events: Events, file_of_track: np.ndarray, signs: Sequence[Signs], odd: set[int]) -> set[int]:
    """Add what the events say of time to the signs of each file that is not odd; the files that turn out to be."""
    more_odd = set()
    first_track = np.searchsorted(file_of_track, np.arange(len(signs))).tolist()
    meta = events.content[events.data]
    checked = np.flatnonzero((events.status == META) & _CHECKED_META[meta])
    columns = (
        events.track[checked],
        file_of_track[events.track[checked]],
        events.tick[checked],
        meta[checked],
    )
    rows = zip(*(column.tolist() for column in columns), events.data[checked].tolist(), strict=True)
    for track, file, tick, kind, place in rows:
        if file not in odd:
            try:
                payload = events.payload(place + 1)
                read_meta(kind, payload, tick, track - first_track[file], signs[file], place)
            except MidiError:
                more_odd.add(file)
    for number in np.flatnonzero((events.status == SYSEX) | (events.status == SYSEX_GOES_ON)).tolist():
        if not is_sysex_payload(events.payload(int(events.data[number]))):
            more_odd.add(int(file_of_track[events.track[number]]))
    return more_odd


def _programs(events: Events, at: np.ndarray) -> np.ndarray:
    """The program of their track and channel at these events."""
    voices = events.track << 4 | events.status & 0x0F
    changes = np.flatnonzero(events.status & 0xF0 == 0xC0)
    changes = changes[np.argsort(voices[changes], kind="stable")]
    numbers = np.arange(len(voices))
    places = voices * len(voices) + numbers  # by voice, then in time
    last = np.searchsorted(places[changes], places[at], side="right") - 1
    change = np.append(changes, 0)[last]
    has_changed = (last >= 0) & (voices[change] == voices[at])
    return np.where(has_changed, events.content[events.data[change]], 0).astype(np.int64)


def _instruments(voices: np.ndarray, file: np.ndarray, num_files: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the voices of each file in the order in which they come, and put their notes together.

    Returns each note's instrument, and the order of notes by file and instrument.
    """
    _, first, voice = np.unique(voices, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[voice]  # in the order in which they come, over all files
    before = np.searchsorted(file[np.sort(first)], np.arange(num_files))  # voices of the files before
    return number - before[file], np.argsort(number, kind="stable")
