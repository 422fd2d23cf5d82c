"""The chunks of a MIDI file: its header, and where its tracks lie."""

from kakeai.music.midi.format import MidiError

HEADER, TRACK = b"MThd", b"MTrk"
CHUNK_HEAD_BYTES = 8  # tag, length
MIN_HEADER_BYTES = 6  # format, number of tracks, division


def read_header(data: bytes) -> tuple[int, int, int]:
    """Ticks a quarter, the number of tracks, and where the first track begins."""
    if data[:4] != HEADER:
        raise MidiError("this is no MIDI file: it does not begin with MThd")
    size = int.from_bytes(data[4:8], "big")
    if len(data) < CHUNK_HEAD_BYTES + MIN_HEADER_BYTES or size < MIN_HEADER_BYTES:
        raise MidiError("the header of the MIDI file is cut short")
    track_count = int.from_bytes(data[10:12], "big", signed=True)
    division = int.from_bytes(data[12:14], "big", signed=True)
    if division < 0:
        raise MidiError(
            "time is counted in SMPTE frames, not in beats; save the file with ticks per quarter note"
        )
    if division == 0:
        raise MidiError("the header says that a quarter note has no ticks")
    if track_count <= 0:
        raise MidiError("the header says that there are no tracks")
    return division, track_count, CHUNK_HEAD_BYTES + size


def find_tracks(data: bytes, count: int, position: int) -> list[tuple[int, int]] | None:
    """Where the events of so many tracks begin and end, the first chunk of them at `position`.

    None where they do not follow each other whole, with something in each.
    """
    tracks = []
    for _ in range(count):
        begin = position + CHUNK_HEAD_BYTES
        position = begin + int.from_bytes(data[begin - 4 : begin], "big")
        if data[begin - CHUNK_HEAD_BYTES : begin - 4] != TRACK or not begin < position <= len(data):
            return None
        tracks.append((begin, position))
    return tracks
