"""Damaged and hostile files, as the bytes that make them so, and what becomes of each in ingest."""

import io
import random
import re
import struct
import zipfile

import pytest
from smf import HEADER, by_kakeai, by_note_seq, chunk, midi

from kakeai.music.midi import MidiError, mend_midi, read_midi
from kakeai.music.score import MAX_SECONDS
from kakeai.reading.formats import FileToRead
from kakeai.reading.processes import ReadingProcesses

MEMORY_BYTES = 500 * 2**20
NOTE = ["00 903c40", "60 803c40"]
SOUND = midi(chunk(*NOTE))
# Neither note-seq nor Kakeai makes music of these; the words are in the reason that is given.
REJECTED = {
    "nothing": (b"", "no MIDI file"),
    "text": (b"hello, this is no MIDI file at all", "no MIDI file"),
    "zeros": (bytes(1000), "no MIDI file"),
    "a header alone": (HEADER, "cut short"),
    "half a header": (HEADER[:11], "cut short"),
    "a header of no bytes": (b"MThd\0\0\0\0" + SOUND[8:], "header .* cut short"),
    "a header longer than the file": (b"MThd\x7f\xff\xff\xff" + SOUND[8:], "cut short"),
    "no tracks": (midi(), "no tracks"),
    "a negative number of tracks": (HEADER[:10] + b"\xff\xff" + SOUND[12:], "no tracks"),
    "32,767 tracks declared": (HEADER[:10] + b"\x7f\xff" + SOUND[12:], "cut short"),
    "SMPTE division": (midi(chunk(*NOTE), division=0xE728), "SMPTE"),
    "no ticks in a quarter": (midi(chunk(*NOTE), division=0), "no ticks"),
    "only empty tracks": (midi(b"MTrk\0\0\0\0", b"MTrk\0\0\0\0"), "track 1 is empty"),
    "a track cut short": (SOUND[:-6], "cut short"),
    "cut within a delta time": (midi(b"MTrk\0\0\0\x05" + bytes.fromhex("00 903c40 ff")), "cut short"),
    "a track missing": (HEADER[:11] + b"\2" + SOUND[12:], "cut short"),
    "a length that ends within an event": (HEADER + b"MTrk\0\0\0\6" + SOUND[22:], "middle of an event"),
    "a length of four gigabytes": (HEADER + b"MTrk\xff\xff\xff\xff" + SOUND[22:], "cut short"),
    "no tag before the track": (HEADER + SOUND[18:], "MTrk"),
    "running status before any status": (midi(chunk("00 3c40")), "data where an event should begin"),
    "running status from the track before": (midi(chunk("00 903c40"), b"MTrk\0\0\0\3\x603c"), "data where"),
    "an undefined status": (midi(chunk("00 f4")), "no event"),
    "a pitch above 127": (midi(chunk("00 908040")), "above 127"),
    "a velocity above 127": (midi(chunk("00 903cff")), "above 127"),
    "a controller above 127": (midi(chunk("00 b0ff00")), "above 127"),
    "a program above 127": (midi(chunk("00 c0ff")), "above 127"),
    "a tempo of nothing": (midi(chunk("00 ff5103 000000", *NOTE)), "tempo of no"),
    "a tempo of two bytes": (midi(chunk("00 ff5102 07a1")), "too short"),
    "a metre over nothing": (midi(chunk("00 ff5804 00021808", *NOTE)), "metre of 0"),
    "a metre of 4 / 2^255": (midi(chunk("00 ff5804 04ff1808", *NOTE)), "metre of 4"),
    "a short metre": (midi(chunk("00 ff5802 0402")), "too short"),
    "a key of nine sharps": (midi(chunk("00 ff5902 0900")), "9 sharps"),
    "a key of mode two": (midi(chunk("00 ff5902 0002")), "mode 2"),
    "a short key": (midi(chunk("00 ff5901 00")), "too short"),
    "a sequence number of one byte": (midi(chunk("00 ff0001 00")), "too short"),
    "a channel prefix of no channel": (midi(chunk("00 ff2000")), "too short"),
    "an SMPTE offset at minute 60": (midi(chunk("00 ff5405 003c000000")), "no time"),
    "a short SMPTE offset": (midi(chunk("00 ff5403 000000")), "too short"),
    "sysex data above 127": (midi(chunk("00 f003 41ff41")), "system exclusive"),
    "a sysex event longer than the file": (midi(chunk("00 f0 8f7f 41")), "cut short"),
    "a meta event longer than any": (midi(chunk("00 ff01 ffffff7f 41")), "above 1,000,000"),
    "a realtime event with running status": (midi(chunk("00 f8", "00 3c")), "system event"),
    "random bytes behind a good header": (
        HEADER + b"MTrk\0\0\1\0" + random.Random(1).randbytes(256), "byte|cut short",
    ),
    "random bytes for chunks": (HEADER + random.Random(2).randbytes(256), "MTrk"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "words"), REJECTED.values(), ids=REJECTED)
def test_damaged_files_are_refused_with_a_reason_as_by_note_seq(data, words):
    assert by_note_seq(data) is None
    assert by_kakeai(data) is None
    with pytest.raises(MidiError, match=words):
        read_midi(data)


EMPTY, ALIEN = b"MTrk\0\0\0\0", b"XFIH\0\0\0\2ab"
# note-seq refuses these; their notes are sound.
REPAIRED = {
    "an empty track": (midi(chunk(*NOTE), EMPTY), "1 empty tracks"),
    "an empty first track": (midi(EMPTY, chunk("00 ff5103 0f4240", *NOTE)), "1 empty tracks"),
    "an alien chunk": (midi(ALIEN, chunk(*NOTE))[:10] + b"\0\1" + midi(ALIEN, chunk(*NOTE))[12:], "1 chunks"),
    "an alien chunk in a longer header": (
        b"MThd" + struct.pack(">LhhH", 8, 1, 1, 96) + b"\0\0" + ALIEN + chunk(*NOTE), "1 chunks",
    ),
    "a RIFF file": (b"RIFF" + bytes(4) + b"RMIDdata" + bytes(4) + SOUND, "20 bytes before"),
    "lines of text before the header": (b"From: me\r\n\r\n" + SOUND, "12 bytes before"),
    "all of it": (
        b"?" + midi(EMPTY, chunk(*NOTE), EMPTY) + ALIEN, "1 bytes before the header, 2 empty tracks",
    ),
    "half a million chunks that are no tracks": (
        HEADER + b"JUNK\0\0\0\0" * 500_000 + chunk(*NOTE), "500,000 chunks that are no tracks",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "words"), REPAIRED.values(), ids=REPAIRED)
def test_files_with_sound_notes_are_mended(data, words):
    if len(data) < 1000:
        assert by_note_seq(data) is None
    assert by_kakeai(data) is None
    mending = mend_midi(data)
    assert mending is not None
    assert words in mending[1]
    assert by_kakeai(mending[0]) == by_note_seq(mending[0])
    assert [note[0] for note in by_kakeai(mending[0])["notes"]] == [60]
    assert mend_midi(mending[0]) is None


@pytest.mark.parametrize("data", [data for data, _ in REJECTED.values()], ids=REJECTED)
def test_others_are_not(data):
    assert mend_midi(data) is None


# Small or not, each would cost a naive reader its memory or its patience. True: there is music in it.
HOSTILE = {
    # note-seq would ask for 40 GiB, or for hours, where it did not refuse
    "a tick beyond all": (midi(chunk("00 903c40", "ffffffffffffff7f 803c40")), False),
    "a tick of billions behind the last note": (midi(chunk(*NOTE, "9392929c6d ff0100")), True),
    "giant delta times": (midi(chunk("00 903c40", "ffffff7f 803c40" * 9)), False),
    "a delta of a million bytes": (midi(chunk("00 903c40", "ff" * 1_000_000 + "7f 803c40")), False),
    "a million zeros before a delta": (midi(chunk("00 903c40", "80" * 1_000_000 + "60 803c40")), True),
    "a note of years": (midi(chunk("00 ff5103 ffffff", "00 903c40", "ffffff7f 803c40"), division=1), False),
    "550,000 tempos": (
        midi(chunk("00 903c40", *(f"00 ff5103 {1 + i % 9999:06x}" for i in range(550_000)), "01 803c40")), True,
    ),
    "a million tempos": (midi(chunk(*(f"01 ff5103 {1 + i % 9999:06x}" for i in range(1_000_000)))), True),
    "500,000 metres": (midi(chunk("00 ff580404021808" * 500_000, *NOTE)), True),
    "a million empty texts": (midi(chunk("00 ff0100" * 1_000_000, *NOTE)), True),
    "a million bytes of text": (midi(chunk("00 ff01 bd8440" + "41" * 1_000_000, *NOTE)), True),
    "a million notes open at once": (midi(chunk("00 903c40", "003c40" * 1_000_000, "60 3c00")), True),
    "a million notes of a tick": (midi(chunk("00 903c40", "003c40 013c00" * 600_000)), True),
    "100,000 programs": (midi(chunk("00 c005 00 903c40 01 803c40" * 100_000)), True),
    "32,767 tracks": (midi(*[chunk("00 903c40 60 803c40")] * 32_767), True),
}  # fmt: skip


def zipped(*members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members:
            archive.writestr(name, member)
    return content.getvalue()


CONTAINER = b'<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
BOMB = zipped(("META-INF/container.xml", CONTAINER), ("a.xml", bytes(50 * 2**20)))
OTHERS = {
    "bomb.mxl": (BOMB, "unpacks to over 16 MiB"),
    "bomb in a bomb.mxl": (zipped(("META-INF/container.xml", CONTAINER), ("a.xml", BOMB)), "note-seq cannot"),
    "cut.mxl": (BOMB[:-100], "note-seq cannot"),
    "no score.mxl": (zipped(("META-INF/container.xml", CONTAINER)), "note-seq cannot"),
    "a lie.mxl": (BOMB.replace(struct.pack("<L", 50 * 2**20), struct.pack("<L", 9)), "note-seq cannot"),
    "laughs.xml": (b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>', "entities"),
    "deep.xml": (b"<a>" * 200_000, "note-seq cannot"),
    "text.xml": (b"hello", "note-seq cannot"),
    "zeros.abc": (bytes(10_000), "."),
}


@pytest.fixture(scope="module")
def readings():
    """What the reading process makes of every file of this module, within the memory it is given."""
    midi_files = {
        name: (f"{name}.mid", data) for name, (data, _) in {**REJECTED, **REPAIRED, **HOSTILE}.items()
    }
    files = {**midi_files, **{name: (name, data) for name, (data, _) in OTHERS.items()}}
    with ReadingProcesses(1, memory_bytes=MEMORY_BYTES) as processes:
        batches = processes.read((([FileToRead(*file)], name) for name, file in files.items()), "damaged")
        return {name: reading for (reading,), name in batches}


@pytest.mark.parametrize("name", REJECTED)
def test_ingest_says_why_it_rejects(name, readings):
    assert readings[name].sequences == []
    assert len(readings[name].complaints) == 1
    assert "failed" not in readings[name].complaints[0]


@pytest.mark.parametrize("name", REPAIRED)
def test_ingest_says_what_it_repaired(name, readings):
    assert len(readings[name].sequences) == 1
    assert readings[name].complaints == []
    assert REPAIRED[name][1] in readings[name].repair


@pytest.mark.parametrize(("name", "is_music"), [(name, is_music) for name, (_, is_music) in HOSTILE.items()])
def test_hostile_files_cost_neither_memory_nor_patience(name, is_music, readings):
    assert len(readings[name].sequences) == is_music
    assert len(readings[name].complaints) == (not is_music)
    assert "failed" not in "".join(readings[name].complaints)


@pytest.mark.parametrize("name", OTHERS)
def test_so_it_is_with_other_files(name, readings):
    assert readings[name].sequences == []
    (complaint,) = readings[name].complaints
    assert re.search(OTHERS[name][1], complaint)
    assert "failed" not in complaint


def test_no_note_lasts_longer_than_any_tune():
    data, _ = HOSTILE["a note of years"]
    with pytest.raises(MidiError, match="hours"):
        read_midi(data)
    assert read_midi(midi(chunk("00 903c40", "8f7f 803c40"))).total_time <= MAX_SECONDS
