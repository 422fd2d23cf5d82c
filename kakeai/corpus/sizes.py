"""How large a score may be: a hostile file is to take little time and memory, an honest one to be read."""

MIDI_SUFFIXES = (".mid", ".midi")
MAX_FILE_BYTES = 16 * 2**20  # ten times the largest score known to us
MAX_MIDI_BYTES = 4 * 2**20  # unless more is asked for; so much may take 2 s and 300 MB to read


def size_limit(path: str, max_midi_bytes: int) -> int:
    """Return the most bytes that are read of a file with this path."""
    return max_midi_bytes if path.lower().endswith(MIDI_SUFFIXES) else MAX_FILE_BYTES


def too_large(path: str, size: int, max_midi_bytes: int) -> str:
    """Return why a file of so many bytes is refused; empty if it is not."""
    limit = size_limit(path, max_midi_bytes)
    if size <= limit:
        return ""
    if path.lower().endswith(MIDI_SUFFIXES):
        return f"{size:,} bytes are too many for MIDI; the limit is {limit:,}; --max-midi-bytes raises it"
    return f"{size:,} bytes are too many for a score; the limit is {limit:,}"
