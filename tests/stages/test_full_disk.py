"""A disk that is full while a corpus is read: one sentence that says where, and the output stays what it was."""

import subprocess
import tempfile

import pytest
from full_disk import largest_file
from smf import chunk, midi

from kakeai.disk import DiskError
from kakeai.reading.formats import FileToRead
from kakeai.reading.processes import ReadingProcesses
from kakeai.running.outcome import FAILED, RUN, read_outcome
from kakeai.running.stage import stage
from kakeai.stages.ingest import ingest
from kakeai.stages.survey import survey

LARGE_XML = b"<score-partwise>" + b" " * 100_000 + b"</score-partwise>"
TEMPORARY = "cannot write temporary files to {}: file too large; free some space there or set TMPDIR"


@pytest.fixture
def corpus(tmp_path):
    """Many tunes, whose NoteSequences take more than ten kilobytes."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.mid").write_bytes(midi(chunk("00 903c40 60 803c40" * (number + 1))))
    return folder


@pytest.fixture(params=["ingest.json"])
def output(tmp_path, request):
    """What an earlier run of the stage wrote, by its marker; it has to stay."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / request.param).write_text("earlier")
    yield folder
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(request.param, "earlier")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "output"]


@pytest.mark.parametrize(
    ("stage_of", "output"), [(survey, "survey.json"), (ingest, "ingest.json")], indirect=["output"]
)
def test_an_output_that_does_not_fit_is_named(corpus, output, stage_of):
    with (
        largest_file(10_000),
        pytest.raises(DiskError, match=f"cannot write {output.parent}/.*: file too large"),
    ):
        stage_of(str(corpus), output)


def test_a_reader_that_finds_no_room_rejects_no_file(corpus, output):
    """MusicXML goes through a temporary file, in a process of its own."""
    (corpus / "score.xml").write_bytes(LARGE_XML)
    sentence = TEMPORARY.format(tempfile.gettempdir())
    with largest_file(50_000), pytest.raises(DiskError, match=sentence):
        ingest(str(corpus), output)


def test_a_pack_that_does_not_fit_is_named_and_not_the_output(corpus, output, tmp_path_factory):
    reuse = tmp_path_factory.mktemp("reuse")
    sentence = TEMPORARY.format(tempfile.gettempdir())
    with largest_file(20_000), pytest.raises(DiskError, match=sentence):
        ingest(str(corpus), output, reuse=str(reuse))
    assert [*reuse.iterdir()] == []


@pytest.mark.parametrize("output", ["survey.json"], indirect=True)
def test_an_archive_that_does_not_fit_here_is_named(bucket, tmp_path, output, corpus):
    import shutil

    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", corpus)
    address = f"{bucket.folder()}/tunes"
    with open(packed, "rb") as file:
        bucket.put(f"{address}/packed.zip", file.read())
    (tmp_path / "packed.zip").unlink()
    with largest_file(10_000), pytest.raises(DiskError, match=TEMPORARY.format(tempfile.gettempdir())):
        survey(address, output)


def test_other_batches_do_not_hide_it():
    score, tune = FileToRead("a.xml", LARGE_XML), FileToRead("a.mid", midi(chunk("00 903c40 60 803c40")))
    with largest_file(50_000), ReadingProcesses(2) as processes, pytest.raises(DiskError):
        list(processes.read([([tune], 0), ([tune, score], 1), ([tune], 2)], "c"))


def test_a_stage_ends_with_the_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(RUN, "night")
    sentence = "a disk of this machine cannot be used: no space left on device"
    with pytest.raises(SystemExit) as ended, stage("ingest", str(tmp_path)), open("/dev/full", "w") as full:
        full.write("x")
    assert ended.value.code == 2
    assert capsys.readouterr().out == f"KAKEAI_ERROR {sentence}\n"
    outcome = read_outcome(str(tmp_path))
    assert outcome
    assert (outcome.outcome, outcome.sentence) == (FAILED, sentence)


def test_the_command_ends_with_the_sentence(corpus, output, kakeai_path):
    limited = ["sh", "-c", 'ulimit -f 20 && exec "$@"', "sh"]  # in units of 512 bytes
    command = [*limited, kakeai_path, "ingest", str(corpus), "--output", str(output)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"kakeai: cannot write {output.parent}/")
    assert ended.stderr.count("\n") == 1
