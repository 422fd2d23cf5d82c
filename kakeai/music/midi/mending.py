"""Files whose notes are sound, but not what is around them."""

from kakeai.music.midi.chunks import CHUNK_HEAD_BYTES, HEADER, TRACK, read_header
from kakeai.music.midi.format import MidiError


def mend_midi(data: bytes) -> tuple[bytes, str] | None:
    """Leave out what stands before the header, chunks that are no tracks, and empty tracks.

    A file that has been cut short is not mended: what is missing in it would be taken for the composer's wish.

    Returns:
        The mended file, and what was left out; None where nothing can be mended, or no track remains.
    """
    before = data.find(HEADER)
    if before < 0:
        return None
    try:
        _, num_tracks, position = read_header(data[before:])
    except MidiError:
        return None
    position += before
    tracks: list[bytes] = []
    empty = alien = 0
    while len(tracks) + empty < num_tracks:
        tag, body = data[position : position + 4], position + CHUNK_HEAD_BYTES
        end = body + int.from_bytes(data[position + 4 : body], "big")
        if end > len(data) or body > len(data) or not (tag.isascii() and tag.decode().isprintable()):
            return None
        if tag != TRACK:
            alien += 1
        elif end == body:
            empty += 1
        else:
            tracks.append(data[position:end])
        position = end
    left_out = [
        words
        for count, words in (
            (before, f"{before:,} bytes before the header"),
            (alien, f"{alien:,} chunks that are no tracks"),
            (empty, f"{empty:,} empty tracks"),
        )
        if count
    ]
    if not left_out or not tracks:
        return None
    header = (
        HEADER
        + data[before + 4 : before + 10]
        + len(tracks).to_bytes(2, "big")
        + data[before + 12 : before + 14]
    )
    header_end = before + CHUNK_HEAD_BYTES + int.from_bytes(data[before + 4 : before + 8], "big")
    return b"".join([header, data[before + 14 : header_end], *tracks]), f"left out: {', '.join(left_out)}"
