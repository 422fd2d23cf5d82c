"""A wrong place to write into gets one sentence that names both folders, exit status 2, and no file is touched."""

import pytest

from cli.main import app
from kakeai.errors import KakeaiError
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes

COMMANDS = {
    "survey": ["survey", "INPUT", "--output", "OUTPUT"],
    "ingest": ["ingest", "INPUT", "--output", "OUTPUT"],
    "convert": ["convert", "INPUT", "--config", "basic_rnn", "--output", "OUTPUT"],
    "train": ["train", "INPUT", "--run-dir", "OUTPUT"],
    "evaluate": ["evaluate", "INPUT", "--run-dir", "run", "--output", "OUTPUT"],
    "bundle": ["bundle", "--run-dir", "INPUT", "--output", "OUTPUT"],
    "pipeline": ["pipeline", "run", "--corpus", "INPUT", "--store", "store", "--work", "OUTPUT"],
    "release": ["release", "INPUT", "--store", "OUTPUT"],
}
STAGES = ("survey", "ingest", "convert", "evaluate", "bundle")  # each replaces its --output


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def music(tmp_path, monkeypatch):
    """A folder of music in the current one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "Music"
    (folder / "kakeai").mkdir(parents=True)
    for pitch, name in ((60, "a.mid"), (62, "kakeai/b.mid")):
        notes = make_notes([(pitch, 90, 0.0, 1.0), (64, 90, 1.0, 2.0)])
        (folder / name).write_bytes(write_midi([Track("melody", notes)]))
    return folder


@pytest.fixture
def refused(music, tmp_path):
    """Run a command that may touch nothing, and return its sentence."""

    def run(*arguments):
        before = content(tmp_path)
        with pytest.raises(KakeaiError) as error:
            app([*map(str, arguments)], standalone_mode=False)
        assert error.value.exit_status == 2
        assert content(tmp_path) == before
        return str(error.value)

    return run


def with_places(command, read, write):
    return [{"INPUT": read, "OUTPUT": write}.get(word, word) for word in COMMANDS[command]]


def test_the_command_itself(kakeai, music):
    before = content(music)
    ran = kakeai("ingest", "Music", "--output", "Music", cwd=music.parent)
    assert ran.returncode == 2
    assert ran.stderr == "kakeai: --output Music is the corpus Music; choose another folder\n"
    assert content(music.parent) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_an_input_is_never_written_over(refused, music, command):
    if command == "release":  # it writes into a folder of the store
        told = refused(*with_places(command, music / "kakeai", music))
        assert told == f"--store {music}/kakeai is the bundle {music}/kakeai; choose another folder"
        return
    for write, relation in ((music, "is"), (music / "new", "lies in")):
        told = refused(*with_places(command, music, write))
        assert f" {write} {relation} " in told
        assert told.endswith(f" {music}; choose another folder")


@pytest.mark.parametrize("command", STAGES)
def test_a_folder_of_music_is_never_taken_for_an_old_output(refused, command):
    told = refused(*with_places(command, "elsewhere", "Music"))
    assert told.startswith(f"--output Music holds a.mid, which kakeai {command} did not write")
    assert "not a gs:// address" in refused(*with_places(command, "elsewhere", "gs://bucket/output"))
    assert "is not a folder" in refused(*with_places(command, "elsewhere", "Music/a.mid"))
    assert "--output . holds " in refused(*with_places(command, "Music", "."))


def test_a_training_begins_in_no_folder_of_other_files(refused):
    told = refused("train", "elsewhere", "--run-dir", "Music")
    assert told == "Music holds a.mid and no training; give a new --run-dir"
    assert "is not a folder" in refused("train", "elsewhere", "--run-dir", "Music/a.mid")


@pytest.mark.parametrize("name", ["report.html", "kakeai.mag", "kakeai.hparams", "pipeline.log"])
def test_a_pipeline_overwrites_nothing_that_no_run_wrote(refused, music, name):
    (music / name).write_text("mine")
    told = refused("pipeline", "run", "--corpus", "elsewhere", "--store", "store", "--work", "Music")
    assert told.startswith(f"{music / name} would be overwritten, and no earlier run wrote it")
    places = ["--corpus", "elsewhere", "--store", "store"]
    assert "is not a folder" in refused("pipeline", "run", *places, "--work", "Music/a.mid")
    assert "not a gs:// address" in refused("pipeline", "run", *places, "--work", "gs://bucket/work")


def test_a_pipeline_is_compiled_over_its_own_kind_alone(refused, music):
    assert refused("pipeline", "compile", "Music/a.mid").startswith("Music/a.mid is no pipeline that kakeai")
    assert refused("pipeline", "compile", "Music").startswith("Music is no pipeline that kakeai")
    assert "is not a folder" in refused("pipeline", "compile", "Music/a.mid/kakeai.yaml")
    compiled = music / "new" / "kakeai.yaml"
    for earlier in (None, "", "# PIPELINE DEFINITION\n# Name: kakeai\n# of Kakeai 0.1", "again"):
        if earlier not in (None, "again"):
            compiled.write_text(earlier)
        app(["pipeline", "compile", str(compiled)], standalone_mode=False)
        assert compiled.read_text().startswith("# Made by kakeai pipeline compile")


@pytest.mark.parametrize("write", ["Music/a.mid", "Music/a.mid/new"])
def test_a_file_is_no_folder_for_midi_files(refused, write):
    assert "Music/a.mid is not a folder" in refused("corpus", "oneills", write, "--tunes", "1")
    assert "Music/a.mid is not a folder" in refused("generate", "--bundle", "none", "--output-dir", write)
