"""What a MIDI file says of its time: tempos, metres, keys."""

from dataclasses import dataclass, field

from kakeai.music.midi.format import (
    CHANNEL_PREFIX,
    MAX_DENOMINATOR_EXPONENT,
    META_MIN_BYTES,
    SEQUENCE_NUMBER,
    SET_KEY,
    SET_METRE,
    SET_TEMPO,
    SMPTE_OFFSET,
    MidiError,
)

# The meta events that have a say in time, or whose content can be wrong; mido reads any bytes as the others'.
CHECKED_META = (SEQUENCE_NUMBER, CHANNEL_PREFIX, SET_TEMPO, SMPTE_OFFSET, SET_METRE, SET_KEY)


@dataclass
class Signs:
    """The signs of a file's first track, in ticks; those of later ones do not count."""

    division: int  # ticks a quarter note
    tempos: list[tuple[int, int]] = field(default_factory=list)  # tick, microseconds a quarter
    time_signatures: list[tuple[int, int, int]] = field(default_factory=list)  # tick, numerator, denominator
    key_signatures: list[tuple[int, int, int]] = field(default_factory=list)  # tick, key, mode


def read_meta(meta: int, payload: bytes, tick: int, track: int, signs: Signs, position: int) -> None:
    """Add a meta event to the signs. They count on the first track only, but must be sound on every one."""
    if len(payload) < META_MIN_BYTES[meta] or (meta == SEQUENCE_NUMBER and len(payload) == 1):
        raise MidiError(f"byte {position}: meta event {meta:#04x} is too short")
    if meta == SET_TEMPO:
        tempo = int.from_bytes(payload[:3], "big")
        if track == 0:
            if tempo == 0:
                raise MidiError(f"byte {position}: a tempo of no microseconds a quarter note")
            signs.tempos.append((tick, tempo))
    elif meta == SET_METRE:
        numerator, exponent = payload[0], payload[1]
        if exponent > MAX_DENOMINATOR_EXPONENT or (track == 0 and numerator == 0):
            raise MidiError(f"byte {position}: a metre of {numerator}/2^{exponent}")
        if track == 0:
            signs.time_signatures.append((tick, numerator, 1 << exponent))
    elif meta == SET_KEY:
        sharps = payload[0] - 256 if payload[0] > 0x7F else payload[0]
        minor = payload[1]
        if not -7 <= sharps <= 7 or minor > 1:
            raise MidiError(f"byte {position}: a key of {sharps} sharps in mode {minor}")
        if track == 0:
            signs.key_signatures.append((tick, (7 * sharps + 9 * minor) % 12, minor))
    elif meta == SMPTE_OFFSET:
        rate_and_hours, minutes, seconds, _, subframes = payload[:5]
        if rate_and_hours >> 5 > 3 or minutes > 59 or seconds > 59 or subframes > 99:
            raise MidiError(f"byte {position}: an SMPTE offset that is no time")
