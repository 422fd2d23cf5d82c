"""MIDI files made by a grammar and then damaged, read by Kakeai as by note-seq: alone, in a batch, or not at all."""

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
from smf import by_kakeai, by_note_seq, midi, variable_length

from kakeai.music.midi import mend_midi

# note-seq would take a file with longer delta times for an order to get many gigabytes.
MAX_DELTA = 300

PITCH = st.integers(58, 62)  # few, so that notes meet
CHANNEL = st.sampled_from([0, 1, 9])
LOUDNESS = st.integers(0, 3)
NOTES = [
    st.builds(lambda c, p, v: bytes([0x90 | c, p, v]), CHANNEL, PITCH, LOUDNESS),
    st.builds(lambda c, p: bytes([0x80 | c, p, 64]), CHANNEL, PITCH),
    st.builds(lambda p, v: bytes([p, v]), PITCH, LOUDNESS),  # running status
    st.builds(lambda c, p: bytes([0xC0 | c, p]), CHANNEL, st.integers(0, 2)),
]
SIGNS = [
    st.builds(lambda t: b"\xff\x51\x03" + t.to_bytes(3, "big"), st.integers(1, 2**24 - 1)),
    st.builds(lambda n, d: bytes([0xFF, 0x58, 4, n, d, 24, 8]), st.integers(1, 255), st.integers(0, 14)),
    st.builds(lambda k, m: bytes([0xFF, 0x59, 2, k % 256, m]), st.integers(-7, 7), st.integers(0, 1)),
]
OTHERS = [
    st.builds(lambda m: bytes([0xFF, m, 1, 1]), st.integers(0, 255)),
    st.builds(lambda n: b"\xff\x01" + variable_length(n) + bytes(n), st.sampled_from([0, 1, 127, 128, 300])),
    st.builds(lambda d: b"\xf0" + variable_length(len(d)) + d, st.binary(max_size=2)),
    st.builds(lambda p: bytes([p]), st.integers(0, 127)),  # running status, one byte
    st.builds(lambda s, d: bytes([s]) + d, st.integers(0xA0, 0xFE), st.binary(max_size=2)),
]
EVENT = st.one_of(*NOTES, *NOTES, *SIGNS, *OTHERS)
DELTA = st.sampled_from([0, 0, 1, 7, 128, MAX_DELTA])
TRACK = st.lists(st.tuples(DELTA, EVENT), max_size=30).map(
    lambda events: b"".join(variable_length(delta) + event for delta, event in events)
)
CHUNK = st.builds(
    lambda tag, body, lie: tag + struct.pack(">L", max(0, len(body) + lie)) + body,
    st.sampled_from([b"MTrk"] * 9 + [b"XFIH"]), TRACK, st.sampled_from([0] * 9 + [-1, 1, 4]),
)  # fmt: skip
FILE = st.builds(
    lambda chunks, division, before, behind: before + midi(*chunks, division=division) + behind,
    st.lists(CHUNK, min_size=1, max_size=3), st.integers(24, 960),
    st.sampled_from([b""] * 9 + [b"junk"]), st.sampled_from([b""] * 9 + [b"junk"]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(FILE)
def test_any_file_reads_as_by_note_seq(data):
    assert by_kakeai(data) == by_note_seq(data)


@settings(max_examples=150, deadline=None)
@given(FILE)
def test_a_mended_file_reads_as_by_note_seq(data):
    mending = mend_midi(data)
    if mending is None:
        return
    mended, _ = mending
    assert by_kakeai(mended) == by_note_seq(mended)
    assert mend_midi(mended) is None
    if (as_it_was := by_kakeai(data)) is not None:
        assert by_kakeai(mended) == as_it_was


@st.composite
def damaged(draw):
    data = bytearray(draw(FILE))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.sampled_from([0, 1, 1, 1, 2, 8]))
        data[at : at + size] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(max_examples=500, deadline=None)
@given(damaged())
@example(b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk")
def test_damage_is_read_alike_alone_and_in_a_batch(data):
    """And raises nothing but MidiError, which `by_kakeai` would let through."""
    score = by_kakeai(data)
    if score is not None:
        assert all(note[3] > note[2] for note in score["notes"])
    mend_midi(data)
