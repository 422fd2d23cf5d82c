"""MIDI files over the limit: refused with a sentence, read when more is asked for; the oracle is note-seq."""

import zipfile

import pytest
import tensorflow as tf
from note_seq import midi_io
from note_seq.protobuf import music_pb2
from smf import chunk, midi

from kakeai import store as model_store
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import ExitStatus, KakeaiError
from kakeai.manifest import MANIFEST, read_manifest
from kakeai.reading.ledger import read_ledger
from kakeai.stages.ingest import ingest
from kakeai.stages.survey import survey

TEXT = "00 ff01 bd8440" + "41" * 1_000_000  # the longest that mido reads
LARGE = midi(
    chunk("00 ff5103 0f4240", *[TEXT] * 5), chunk("00 903c40", "60 803c40", "00 c105 914040 60 814040")
)
REASON = f"{len(LARGE):,} bytes are too many for MIDI; the limit is 4,194,304; --max-midi-bytes raises it"
ENOUGH = 2 * MAX_MIDI_BYTES


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "large.mid").write_bytes(LARGE)
    (folder / "small.mid").write_bytes(midi(chunk("00 903c40 60 803c40")))
    with zipfile.ZipFile(folder / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("larger.mid", LARGE + b"!")
    return folder


def read(folder):
    """The NoteSequences by their files, and why the others were not read."""
    (shard,) = folder.glob("*.tfrecord")
    records = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    pieces = [music_pb2.NoteSequence.FromString(record) for record in records]
    reasons = {row.file: row.reason for row in read_ledger(folder) if row.verdict == "rejected"}
    return {piece.filename: piece for piece in pieces}, reasons


def test_a_large_file_is_refused_and_read_when_more_is_asked_for(corpus, tmp_path, kakeai):
    """Each run keeps what it read for the next: a refusal is not among that."""
    reuse, out = str(tmp_path / "reuse"), tmp_path / "out"
    larger = REASON.replace(f"{len(LARGE):,}", f"{len(LARGE) + 1:,}")
    refused = {"large.mid": REASON, "packed.zip/larger.mid": larger}
    assert ingest(str(corpus), out, reuse=reuse).num_files == 1
    before, reasons = read(out)
    assert (list(before), reasons) == (["small.mid"], refused)

    result = ingest(str(corpus), out, reuse=reuse, max_midi_bytes=ENOUGH)
    assert (result.num_files, result.num_reused) == (3, 1)
    pieces, reasons = read(out)
    assert reasons == {}
    expected = midi_io.midi_to_note_sequence(LARGE)
    for left_out in ("instrument_infos", "control_changes", "pitch_bends"):
        expected.ClearField(left_out)
    for name in refused:
        piece = pieces[name]
        for ours in ("id", "filename", "collection_name"):
            piece.ClearField(ours)
        assert piece == expected, name

    assert ingest(str(corpus), out, reuse=reuse).num_rejected == 2
    assert read(out) == (before, refused)
    options = ("--reuse", reuse, "--max-midi-bytes", str(ENOUGH))
    ran = kakeai("ingest", str(corpus), "--output", str(out), *options)
    assert ran.returncode == 0, ran.stderr
    assert len(read(out)[0]) == 3


def test_an_archive_that_was_listed_before_is_listed_anew_for_what_was_too_large(bucket, corpus, tmp_path):
    place = bucket.folder()
    bucket.upload(corpus, place)
    store, listed = str(tmp_path / "store"), []
    for version, max_midi_bytes in enumerate((MAX_MIDI_BYTES, ENOUGH, MAX_MIDI_BYTES)):
        out = tmp_path / str(version)
        result = survey(place, out, store, allow_shrink=True, max_midi_bytes=max_midi_bytes)
        (row,) = (row for row in read_manifest(out / MANIFEST) if row.archive)
        listed.append((result.num_files, bool(row.md5), row.bytes))
        files = {"saved_model.pb": out / MANIFEST, model_store.MANIFEST: out / MANIFEST}
        model_store.publish(files, {"recipe": None}, tmp_path / "store", "kakeai", version)
    assert listed == [(1, False, len(LARGE) + 1), (3, True, len(LARGE) + 1), (1, False, len(LARGE) + 1)]


def test_the_limit_is_only_raised(corpus, tmp_path):
    with pytest.raises(
        KakeaiError, match="--max-midi-bytes must be at least 4,194,304, not 4,194,303"
    ) as refused:
        survey(str(corpus), tmp_path / "out", max_midi_bytes=MAX_MIDI_BYTES - 1)
    assert refused.value.exit_status == ExitStatus.BAD_INPUT
