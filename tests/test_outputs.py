"""Output folders: nothing but a stage's own result is ever replaced, and a kill leaves the old or the new one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from replacing import FILES, replace

from kakeai.errors import KakeaiError
from kakeai.outputs import check_folder, check_output, replaced_folder


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def of(mark):
    return {name: f"{name} {mark}" for name in ("marker.json", "part-1", "inner/part-2")}


def refused(output, inputs=()):
    with pytest.raises(KakeaiError) as error:
        check_output(output, FILES, inputs)
    return str(error.value)


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "Music"
    (folder / "more").mkdir(parents=True)
    (folder / "a.mid").write_text("a tune")
    (folder / "more" / "b.mid").write_text("another")
    return folder


def test_a_missing_an_empty_and_an_own_folder_are_replaced(tmp_path):
    output = tmp_path / "deep" / "output"
    replace(output, "first")
    assert content(output) == of("first")
    replace(output, "second")
    assert content(output) == of("second")
    (tmp_path / "empty").mkdir()
    replace(tmp_path / "empty", "third")
    assert content(tmp_path / "empty") == of("third")
    assert sorted(os.listdir(tmp_path)) == ["deep", "empty"]
    assert os.listdir(tmp_path / "deep") == ["output"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    replace(tmp_path / "disk" / "output", "old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "output")
    replace(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "disk" / "output") == of("new")


@pytest.mark.parametrize("names", [["a.mid"], ["part-1"], ["marker.json", "a.mid"], [".hidden"], ["inner"]])
def test_a_folder_that_the_stage_did_not_write_alone_is_refused(tmp_path, names):
    output = tmp_path / "output"
    output.mkdir()
    for name in names:
        (output / name).touch()
    told = refused(output)
    assert told.startswith(f"--output {output} holds {names[-1]}, which kakeai stage did not write")
    with pytest.raises(KakeaiError), replaced_folder(output, FILES) as folder:
        (folder / "marker.json").touch()
    assert sorted(os.listdir(output)) == sorted(names)
    assert os.listdir(tmp_path) == ["output"]


def test_what_came_into_the_folder_during_the_work_is_kept(tmp_path):
    output = tmp_path / "output"
    replace(output, "old")
    with pytest.raises(KakeaiError, match=r"holds mine\.txt"), replaced_folder(output, FILES):
        (output / "mine.txt").write_text("mine")
    assert content(output) == {**of("old"), "mine.txt": "mine"}
    assert os.listdir(tmp_path) == ["output"]


def test_an_error_leaves_the_old_folder(tmp_path):
    replace(tmp_path / "output", "old")
    with pytest.raises(ZeroDivisionError), replaced_folder(tmp_path / "output", FILES):
        _ = 1 / 0
    assert content(tmp_path / "output") == of("old")
    assert os.listdir(tmp_path) == ["output"]


def test_an_output_that_is_holds_or_lies_in_an_input_is_refused(tmp_path, music, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(music)
    (tmp_path / "elsewhere").mkdir()
    (music / "loop").symlink_to(music / "loop")
    for output, relation in (
        (music, "is"),
        (Path("Music"), "is"),
        (Path("elsewhere/../Music"), "is"),
        (tmp_path / "link", "is"),
        (music / "more", "lies in"),
        (music / "new", "lies in"),
        (tmp_path / "link" / "new" / "newer", "lies in"),
    ):
        told = refused(output, [("the corpus", str(music))])
        assert told == f"--output {output} {relation} the corpus {music}; choose another folder"
    told = refused(music, [("the corpus", music / "a.mid")])
    assert told.startswith(f"--output {music} holds the corpus {music / 'a.mid'}, which would be deleted")
    told = refused(Path("elsewhere"), [("--reuse", "elsewhere/not/yet")])
    assert told.startswith("--output elsewhere holds --reuse elsewhere/not/yet")
    assert content(music) == {"a.mid": "a tune", "more/b.mid": "another"}


def test_neighbours_of_an_input_and_inputs_elsewhere_are_no_reason(tmp_path, music):
    inputs = [
        ("the corpus", str(music)),
        ("--reuse", ""),
        ("the manifest", None),
        ("--store", tmp_path / "none"),
    ]
    check_output(tmp_path / "Music2", FILES, inputs)
    check_output(tmp_path / "out", FILES, inputs)


def test_the_current_folder_is_never_replaced(tmp_path, monkeypatch):
    replace(tmp_path / "output", "old")
    monkeypatch.chdir(tmp_path / "output" / "inner")
    assert refused(Path()).startswith("--output . is the current folder")
    assert refused(Path("..")).startswith("--output .. holds the current folder")


def test_what_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    for output in (tmp_path / "file", tmp_path / "file" / "in it", tmp_path / "nowhere"):
        assert "is not a folder" in refused(output)
    assert (
        refused(Path("gs://bucket/output"))
        == "--output must be a folder on this machine, not a gs:// address"
    )
    assert "/ holds the current folder" in refused(Path("/"))
    assert "mount point" in refused(Path("/proc"))


def test_a_folder_without_permission_is_refused():
    with pytest.raises(KakeaiError, match=r"^--output /proc/self/output .*no permission in /proc/self"):
        check_folder(Path("/proc/self/output"), "--output")  # closed to root, too


def test_a_replacement_can_be_killed_at_any_moment(tmp_path):
    script = Path(__file__).with_name("replacing.py")
    ran = subprocess.run([sys.executable, script, tmp_path])
    assert ran.returncode == 0
    runs = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    assert len(runs) > 20
    missing = 0
    for run in runs:
        output = run / "output"
        missing += not output.exists()
        check_output(output, FILES, [])  # the start of the next run
        assert content(output) in (of("old"), of("new"))
        replace(output, "next")
        assert content(output) == of("next")
    assert missing == 1  # between the two renames
    assert content(runs[0] / "output") == content(runs[-1] / "output") == of("next")


def test_half_an_old_folder_is_never_put_back(tmp_path):
    """The user took the new folder away after a run that was killed while it deleted the old one."""
    scratch = tmp_path / ".output.kakeai-killed"
    (scratch / "old-0").mkdir(parents=True)
    (scratch / "old-0" / "marker.json").touch()
    check_output(tmp_path / "output", FILES, [])
    assert not (tmp_path / "output").exists()
