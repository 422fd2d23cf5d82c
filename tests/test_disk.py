"""A full disk is one sentence that names the folder, and leaves what was there."""

import tempfile
from pathlib import Path

import pytest
from full_disk import largest_file

from kakeai.disk import DiskError, as_disk_error, disk_errors, temporary_disk_errors
from kakeai.errors import KakeaiError
from kakeai.outputs import StageFiles, replaced_folder
from kakeai.storage import download_object, location, put_file, write_whole


def fill():
    """Write to a disk that is really full."""
    with open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")


def test_the_sentence_says_where_and_what_to_do():
    with pytest.raises(DiskError) as told, disk_errors(Path("work/out")):
        fill()
    assert str(told.value) == (
        "cannot write work/out: no space left on device; free some space there or use another folder"
    )
    with pytest.raises(DiskError) as told, temporary_disk_errors():
        fill()
    assert str(told.value) == (
        f"cannot write temporary files to {tempfile.gettempdir()}: no space left on device; free some space there "
        "or set TMPDIR to another folder"
    )


def test_where_no_folder_takes_temporary_files_that_is_said(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    with (
        largest_file(0),
        pytest.raises(
            DiskError, match=r"No usable temporary directory found in \[.*\]: free some space or set"
        ),
        temporary_disk_errors(),
    ):
        pass


def test_an_error_that_nobody_foresaw_is_told_by_its_kind():
    with pytest.raises(OSError, match="No space") as raised:
        fill()
    assert (
        str(as_disk_error(raised.value)) == "a disk of this machine cannot be used: no space left on device"
    )
    with pytest.raises(OSError, match="error") as raised:
        Path("/proc/self/mem").read_bytes()
    assert str(as_disk_error(raised.value)) == "a disk of this machine cannot be used: input/output error"


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, disk_errors(tmp_path), temporary_disk_errors():
        (tmp_path / "nothing").read_bytes()
    assert as_disk_error(raised.value) is None


def test_a_file_stays_what_it_was(tmp_path):
    there, finished = tmp_path / "there", tmp_path / "finished"
    there.write_bytes(b"old")
    finished.write_bytes(bytes(20_000))
    for write in (lambda: write_whole(there, bytes(20_000)), lambda: put_file(finished, there)):
        with largest_file(10_000), pytest.raises(DiskError, match=f"cannot write {there}: file too large"):
            write()
        assert there.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [finished, there]


def test_a_folder_stays_what_it_was(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "marker.json").write_text("old")
    with (
        largest_file(10_000),
        pytest.raises(DiskError, match=f"cannot write {there}: file too large"),
        replaced_folder(there, StageFiles("stage", "marker.json", ())) as folder,
    ):
        (folder / "marker.json").write_bytes(bytes(20_000))
    assert [*tmp_path.iterdir()] == [there]
    assert (there / "marker.json").read_text() == "old"


def test_a_download_that_finds_no_room_is_no_fault_of_the_bucket(bucket, tmp_path):
    address = f"{bucket.folder()}/large"
    bucket.put(address, bytes(20_000))
    path = location(address)
    assert not isinstance(path, Path)
    with largest_file(10_000), pytest.raises(KakeaiError) as told, disk_errors(tmp_path):
        download_object(path, tmp_path / "here")
    assert str(told.value).startswith(f"cannot write {tmp_path}: file too large")
