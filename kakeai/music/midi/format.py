"""The numbers of Standard MIDI Files 1.0 (RP-001), and the limits that mido and note-seq set."""

from kakeai.errors import KakeaiError

DRUM_CHANNEL = 9
MAX_TICK = 10**10  # note-seq's own limit
MAX_EVENT_BYTES = 1_000_000  # mido's limit for the payload of one meta or sysex event
MAX_DENOMINATOR_EXPONENT = 14  # the metre's denominator is held in 16 bits; real ones end at 1/64
DEFAULT_TEMPO_US = 500_000  # microseconds a quarter note, where a file names no tempo: 120 a minute
MAX_TEMPO_US = 0xFFFFFF  # three bytes
MAX_DELTA = 0x0FFFFFFF  # the longest distance between two events that the format can say

# Data bytes after a status byte, by its upper half; of system messages by the whole byte.
# 0xF4, 0xF5, 0xF9 and 0xFD are undefined.
CHANNEL_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
SYSTEM_DATA_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
META, SYSEX, SYSEX_GOES_ON = 0xFF, 0xF0, 0xF7
SEQUENCE_NUMBER, TRACK_NAME, CHANNEL_PREFIX, END_OF_TRACK = 0x00, 0x03, 0x20, 0x2F
SET_TEMPO, SMPTE_OFFSET, SET_METRE, SET_KEY = 0x51, 0x54, 0x58, 0x59
# The meta events mido knows, with the fewest payload bytes each may have.
META_MIN_BYTES = {
    **dict.fromkeys((SEQUENCE_NUMBER, 0x01, 0x02, TRACK_NAME, 0x04, 0x05, 0x06, 0x07, 0x09, 0x7F), 0),
    CHANNEL_PREFIX: 1, 0x21: 0, END_OF_TRACK: 0,
    SET_TEMPO: 3, SMPTE_OFFSET: 5, SET_METRE: 4, SET_KEY: 2,
}  # fmt: skip


class MidiError(KakeaiError):
    """Bytes that cannot be read as MIDI, or notes that cannot be written as such; says where and why."""


def is_sysex_payload(payload: bytes) -> bool:
    """Whether this can follow the length of a system exclusive event: seven-bit bytes, perhaps between its marks."""
    return payload.removeprefix(b"\xf0").removesuffix(b"\xf7").isascii()
