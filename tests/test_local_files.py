"""Files are read with a bound, and only files."""

import os

import pytest

from kakeai.local_files import NoFileError, read_file


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5_000_000])
def test_no_more_is_read_than_tells_that_a_file_is_too_large(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert read_file(tmp_path / "file", 1000) == content[:1001]
    assert read_file(tmp_path / "file", 10_000_000) == content


def test_a_file_that_says_it_is_empty_is_read_as_well(tmp_path):
    (tmp_path / "link").symlink_to("/proc/self/smaps")
    assert len(read_file(tmp_path / "link", 1000)) == 1001
    assert b"[heap]" in read_file(tmp_path / "link", 2**24)


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("fifo", "zeros", "."):
        with pytest.raises(NoFileError, match="is no file"):
            read_file(tmp_path / name, 1000)
