"""Ingest, compared with Magenta's convert_dir_to_note_sequences on the same folder."""

import hashlib
import json
import os
import shutil
import tarfile
import zipfile
from dataclasses import asdict

import music21
import pytest
import tensorflow as tf
from absl import flags
from note_seq.protobuf import music_pb2

from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import KakeaiError
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from kakeai.reading.ledger import read_ledger
from kakeai.stages.ingest import IngestResult, ingest

ABC = """X:1
T:First
M:4/4
L:1/8
K:D
|: DEFG ABcd :|

X:2
T:With a tuplet, which note-seq's parser refuses
M:4/4
L:1/8
K:D
(3DEF G2 ABcd |

X:3
T:Third
M:3/4
L:1/8
K:G
GABc d2 |
"""


def pieces_in(folder):
    """The NoteSequences of a folder's shards, in order."""
    return [
        music_pb2.NoteSequence.FromString(record)
        for path in sorted(folder.glob("*.tfrecord"))
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]


def rejected_in(folder):
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]


def tune(pitch):
    return write_midi([Track("tune", make_notes([(pitch, 90, 0.0, 0.5)]))])


@pytest.fixture
def mixed(ireland, tmp_path):
    """MIDI, MusicXML and ABC, plain and packed, in a folder."""
    folder = tmp_path / "mixed"
    shutil.copytree(ireland, folder)
    (folder / "book.abc").write_text(ABC)
    scores = {path.name: path for path in music21.corpus.getCorePaths(fileExtensions=("mxl",))}
    packed = scores["bwv297.mxl"]
    shutil.copy(packed, folder / "chorale.mxl")
    with zipfile.ZipFile(packed) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".xml") and "META-INF" not in n)
        (folder / "more" / "chorale.xml").write_bytes(archive.read(name))
    return folder


def test_it_gives_what_magenta_gives(mixed, tmp_path):
    if "log" in flags.FLAGS:  # each of Magenta's programs defines one, and a process has room for one
        del flags.FLAGS.log
    from magenta.scripts import convert_dir_to_note_sequences

    tf.compat.v1.logging.set_verbosity("ERROR")
    result = ingest(str(mixed), tmp_path / "output")
    convert_dir_to_note_sequences.convert_directory(
        str(mixed), str(tmp_path / "magenta.tfrecord"), recursive=True
    )
    expected = {
        piece.id: piece
        for record in tf.data.TFRecordDataset(str(tmp_path / "magenta.tfrecord")).as_numpy_iterator()
        for piece in [music_pb2.NoteSequence.FromString(record)]
    }
    got = {piece.id: piece for piece in pieces_in(tmp_path / "output")}
    # Magenta skips the tunebook, which it reads as bytes and then takes apart as text.
    tunebook = {key: piece for key, piece in got.items() if piece.filename == "book.abc"}
    assert set(got) - set(tunebook) == set(expected)
    for key, piece in expected.items():
        if piece.source_info.encoding_type == music_pb2.NoteSequence.SourceInfo.MIDI:
            for left_out in ("instrument_infos", "control_changes", "pitch_bends"):
                piece.ClearField(left_out)
        assert got[key] == piece, piece.filename
    assert [piece.sequence_metadata.title for piece in tunebook.values()] == ["First", "Third"]
    assert len({piece.id for piece in tunebook.values()}) == 2
    assert result.num_sequences == len(got)
    assert result.num_files == len({piece.filename for piece in got.values()})


def test_what_cannot_be_read_is_listed_and_stops_nothing(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    broken = {
        "cut.mid": tune(60)[:-9],
        "text.mid": b"hello",
        "no.xml": b"<score",
        "no.mxl": b"PK no",
        "laughs.xml": b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        "no.abc": b"X:1\nT:no\nK:Q\nzzz",
        "empty.abc": b"",
    }
    for name, content in broken.items():
        (folder / name).write_bytes(content)
    (folder / "fine.mid").write_bytes(tune(60))
    (folder / "book.abc").write_text(ABC)
    result = ingest(str(folder), tmp_path / "output")
    assert (result.num_files, result.num_sequences, result.num_rejected) == (2, 3, len(broken) + 1)
    rows = {row["path"]: row for row in rejected_in(tmp_path / "output")}
    assert set(rows) == {*broken, "book.abc"}
    for name, content in broken.items():
        assert rows[name]["bytes"] == len(content)
        assert len(rows[name]["reason"].split()) > 2
    assert "MThd" in rows["text.mid"]["reason"]
    assert "Tuplets" in rows["book.abc"]["reason"]
    assert "entities" in rows["laughs.xml"]["reason"]


@pytest.mark.parametrize(
    ("fields", "music", "words"),
    [
        ("", "A9999999 B|", "impossible times"),
        ("M:100000/4\n", "A B|", "numbers that music does not have"),
        ("Q:1/4=0\n", "[Q:1/4=0]|", "impossible tempo"),
    ],
)
def test_impossible_scores_are_refused(tmp_path, fields, music, words):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "no.abc").write_text(f"X:1\nT:x\nL:1/8\n{fields}K:D\n{music}\n")
    (folder / "fine.mid").write_bytes(tune(60))
    assert ingest(str(folder), tmp_path / "output").num_rejected == 1
    assert words in rejected_in(tmp_path / "output")[0]["reason"]


def test_the_ledger_says_what_became_of_every_file(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    contents = {"a.mid": tune(60), "b.mid": tune(60), "c.abc": ABC.encode(), "d.mid": b"hello"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "e.mid").touch()
    os.truncate(folder / "e.mid", MAX_MIDI_BYTES + 1)
    result = ingest(str(folder), tmp_path / "output")
    rows = list(read_ledger(tmp_path / "output"))
    assert [(row.file, row.verdict, row.sequences) for row in rows] == [
        ("a.mid", "read", 1), ("b.mid", "duplicate", 0), ("c.abc", "read", 2),
        ("d.mid", "rejected", 0), ("e.mid", "rejected", 0),
    ]  # fmt: skip
    for row in rows[:4]:
        assert row.bytes == len(contents[row.file])
        once = row.verdict != "duplicate"
        assert row.sha256 == (hashlib.sha256(contents[row.file]).hexdigest() if once else None)
    assert (rows[4].bytes, rows[4].sha256) == (MAX_MIDI_BYTES + 1, None)
    assert rows[0].reason == ""
    for row, words in zip(rows[1:], ["a.mid has the same", "Tuplets", "MThd", "too many"], strict=True):
        assert words in row.reason
    info = json.loads((tmp_path / "output" / "ingest.json").read_text())
    assert info == {**asdict(result), "shard": 0, "num_shards": 1}
    assert result == IngestResult(num_files=2, num_sequences=3, num_rejected=3, num_duplicates=1)


def test_what_is_only_badly_wrapped_is_repaired(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.mid").write_bytes(b"RIFF....RMIDdata...." + tune(60))
    (folder / "b.mid").write_bytes(tune(62))
    result = ingest(str(folder), tmp_path / "output")
    assert result == IngestResult(num_files=2, num_sequences=2, num_repaired=1)
    repaired, _ = read_ledger(tmp_path / "output")
    assert (repaired.verdict, repaired.sequences) == ("repaired", 1)
    assert repaired.reason == "left out: 20 bytes before the header"
    assert rejected_in(tmp_path / "output") == []
    assert [piece.notes[0].pitch for piece in pieces_in(tmp_path / "output")] == [60, 62]


def test_the_same_content_counts_once(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, pitch in (("a.mid", 60), ("b.mid", 60), ("c.mid", 61)):
        (folder / name).write_bytes(tune(pitch))
    result = ingest(str(folder), tmp_path / "output")
    assert (result.num_files, result.num_duplicates) == (2, 1)
    assert [piece.filename for piece in pieces_in(tmp_path / "output")] == ["a.mid", "c.mid"]


def test_shards_share_the_corpus_out(ireland, note_sequences, tmp_path):
    names, sizes = [], []
    for shard in range(3):
        ingest(str(ireland), tmp_path / str(shard), shard, 3)
        (path,) = (tmp_path / str(shard)).glob("*.tfrecord")
        assert path.name == f"note_sequences-{shard:05d}-of-00003.tfrecord"
        names += [piece.filename for piece in pieces_in(tmp_path / str(shard))]
        sizes.append(sum(row.bytes for row in read_ledger(tmp_path / str(shard))))
    assert sorted(names) == [piece.filename for piece in pieces_in(note_sequences)]
    assert max(sizes) < 1.2 * min(sizes)


def test_more_shards_than_files_leave_some_empty(tmp_path):
    (tmp_path / "one.mid").write_bytes(tune(60))
    assert ingest(str(tmp_path / "one.mid"), tmp_path / "output", 1, 2).num_sequences == 0
    assert pieces_in(tmp_path / "output") == []


@pytest.mark.parametrize("num_processes", [1, 3])
def test_a_run_repeated_gives_the_same_bytes(ireland, note_sequences, tmp_path, monkeypatch, num_processes):
    monkeypatch.setattr("kakeai.stages.ingest.BATCH_FILES", 4)  # so that all processes have something to read
    ingest(str(ireland), tmp_path / "again", num_processes=num_processes)
    for path in note_sequences.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_an_archive_gives_the_pieces_of_its_folder(ireland, note_sequences, tmp_path):
    with tarfile.open(tmp_path / "ireland.tar.xz", "w:xz") as archive:
        archive.add(ireland, arcname="ireland")
    ingest(str(tmp_path / "ireland.tar.xz"), tmp_path / "output")
    got = {piece.filename: piece for piece in pieces_in(tmp_path / "output")}
    for piece in pieces_in(note_sequences):
        packed = got.pop(f"ireland.tar.xz/ireland/{piece.filename}")
        assert packed.collection_name == "ireland.tar.xz"
        assert packed.notes == piece.notes
    assert not got


def test_progress_counts_up_to_all_files(ireland, tmp_path):
    seen = []
    ingest(str(ireland), tmp_path / "output", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 30) for done in range(31)]


@pytest.mark.parametrize(
    ("make", "shard", "num_shards", "words"),
    [
        (lambda folder: None, 0, 1, "there is no"),
        (lambda folder: folder.mkdir(), 0, 1, "has no music"),
        (lambda folder: folder.write_bytes(tune(60)), 2, 2, "shard 2 of 2"),
        (lambda folder: folder.write_bytes(tune(60)), -1, 2, "shard -1 of 2"),
        (lambda folder: folder.write_bytes(tune(60)), 0, 0, "--num-shards must be at least 1"),
    ],
)
def test_bad_input_leaves_nothing_half_written(tmp_path, make, shard, num_shards, words):
    make(tmp_path / "corpus.mid")
    earlier = tmp_path / "output" / "ingest.json"
    earlier.parent.mkdir()
    earlier.touch()
    with pytest.raises(KakeaiError, match=words):
        ingest(str(tmp_path / "corpus.mid"), tmp_path / "output", shard, num_shards)
    assert earlier.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"corpus.mid", "output"}
