"""Listing and reading the files of folders, archives and buckets, friendly and hostile."""

import gzip
import io
import re
import struct
import tarfile
import tracemalloc
import zipfile
from contextlib import contextmanager

import pytest

from kakeai.corpus import archives, sizes
from kakeai.corpus.archives import Member, UnreadableError, is_archive
from kakeai.corpus.files import Corpus, as_text
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import KakeaiError

CONTENT = {"a.mid": b"first", "deep/er/B.MIDI": b"second", "deep/c.abc": b"third"}


def read_all(corpus, max_midi_bytes=MAX_MIDI_BYTES):
    """What can be read, and why the rest cannot."""
    contents, reasons = {}, {}
    place = Corpus(str(corpus), max_midi_bytes)
    for file in place.files():
        alone = Member(file.path, file.size, lambda file=file: place.read(file.path, file.generation))
        found = place.members(file.path, file.generation) if is_archive(file.path) else [alone]
        for member in found:
            try:
                contents[as_text(member.path)] = member.read()
            except UnreadableError as error:
                reasons[as_text(member.path)] = str(error)
    return contents, reasons


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@contextmanager
def memory_traced():
    """Yield a function that returns the most bytes that Python's objects took in the block."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_folder_is_searched_through(tmp_path):
    extra = {"readme.txt": b"", ".hidden.mid": b"", ".git/x.mid": b"", "__MACOSX/._a.mid": b""}
    for name, content in {**CONTENT, **extra}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    contents, reasons = read_all(tmp_path)
    assert contents == CONTENT
    assert list(contents) == sorted(CONTENT)
    assert reasons == {}
    assert Corpus(str(tmp_path)).name == tmp_path.name


def test_a_single_file_is_a_corpus(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"x")
    assert read_all(tmp_path / "a.mid") == ({"a.mid": b"x"}, {})


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.zip", zipped),
        ("x.tar", tarred),
        ("x.tar.gz", lambda path, members: tarred(path, members, "w:gz")),
        ("x.TGZ", lambda path, members: tarred(path, members, "w:gz")),
        ("x.tar.xz", lambda path, members: tarred(path, members, "w:xz")),
        ("x.tar.bz2", lambda path, members: tarred(path, members, "w:bz2")),
    ],
)
def test_an_archive_is_looked_into(tmp_path, name, pack):
    path = pack(tmp_path / name, {**CONTENT, "notes.txt": b"", "__MACOSX/._a.mid": b"fork"})
    expected = {f"{name}/{member}": content for member, content in CONTENT.items()}
    assert read_all(path) == (expected, {})
    assert read_all(tmp_path) == (expected, {})


def test_paths_that_lead_out_of_an_archive_are_refused(tmp_path):
    members = {"../../etc/a.mid": b"x", "/etc/b.mid": b"x", "fine/c.mid": b"c"}
    for path in (zipped(tmp_path / "x.zip", members), tarred(tmp_path / "x.tar", members)):
        contents, reasons = read_all(path)
        assert list(contents.values()) == [b"c"]
        assert set(reasons.values()) == {"its path leads out of the archive"}


def test_links_and_devices_in_an_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.mid")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert read_all(tmp_path / "x.tar") == ({}, {})


def test_what_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "MAX_FILE_BYTES", 500)
    members = {
        "bomb.mid": bytes(1001),
        "bomb.abc": bytes(501),
        "fine.mid": bytes(1000),
        "fine.abc": bytes(500),
    }
    reason = "1,001 bytes are too many for MIDI; the limit is 1,000; --max-midi-bytes raises it"
    for path in (zipped(tmp_path / "x.zip", members), tarred(tmp_path / "x.tar.gz", members, "w:gz")):
        contents, reasons = read_all(path, 1000)
        assert list(contents) == [f"{path.name}/fine.mid", f"{path.name}/fine.abc"]
        assert reasons == {
            f"{path.name}/bomb.mid": reason,
            f"{path.name}/bomb.abc": "501 bytes are too many for a score; the limit is 500",
        }
        contents, _ = read_all(path, 1001)
        assert f"{path.name}/bomb.mid" in contents
    large = tmp_path / "large.mid"
    large.write_bytes(bytes(1001))
    assert read_all(large, 1000) == ({}, {"large.mid": reason})
    assert read_all(large, 1001) == ({"large.mid": bytes(1001)}, {})


def test_an_archive_that_lies_about_a_size_is_found_out(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.mid": bytes(5000)})
    honest, lie = (5000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, lie))
    contents, reasons = read_all(path, 1000)
    assert contents == {}
    assert list(reasons) == ["x.zip/a.mid"]


@pytest.mark.parametrize(
    ("pack", "name", "limit", "value"),
    [
        (zipped, "x.zip", "MAX_ARCHIVE_BYTES", 4000),
        (tarred, "x.tar", "MAX_ARCHIVE_BYTES", 4000),
        (tarred, "x.tar", "MAX_ARCHIVE_MEMBERS", 3),
    ],
)
def test_an_archive_without_end_is_read_up_to_the_limit(tmp_path, monkeypatch, pack, name, limit, value):
    monkeypatch.setattr(archives, limit, value)
    path = pack(tmp_path / name, {f"{index}.mid": bytes(700) for index in range(9)})
    contents, reasons = read_all(path)
    assert list(contents) == [f"{name}/{index}.mid" for index in range(3)]
    assert "the rest is left out" in reasons[name]


@pytest.mark.parametrize("lie", [False, True], ids=["honest", "lying"])
def test_a_zip_file_of_too_many_members_is_refused_before_zipfile_makes_objects_of_them(
    tmp_path, monkeypatch, lie
):
    """The end of the archive says how many there are, or that there is one."""
    names = [b"%d.mid" % number for number in range(20_000)]
    directory = b"".join(b"PK\1\2" + bytes(24) + struct.pack("<H", len(n)) + bytes(16) + n for n in names)
    number = 1 if lie else 0xFFFF  # which is also what stands for more than two bytes can say
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), 0, 0)
    (tmp_path / "x.zip").write_bytes(directory + end)
    del names
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MEMBERS", 1000)
    with memory_traced() as peak:
        contents, reasons = read_all(tmp_path / "x.zip")
    assert contents == {}
    assert reasons == {"x.zip": "more than 1,000 members: split the archive"}
    assert peak() < 1.5 * len(directory)  # zipfile's objects alone would be six times as much


def test_the_limit_of_a_zip_file_counts_records_and_not_what_it_says(tmp_path, monkeypatch):
    members = {f"{index}.mid": b"x" for index in range(9)}
    path = zipped(tmp_path / "x.zip", members)
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MEMBERS", 9)
    assert list(read_all(path)[0].values()) == [b"x"] * 9
    monkeypatch.setattr(archives, "MAX_ARCHIVE_MEMBERS", 8)
    assert read_all(path) == ({}, {"x.zip": "more than 8 members: split the archive"})


def test_a_directory_without_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_DIRECTORY_BYTES", 100_000)
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10_000)
    path = zipped(tmp_path / "x.zip", {f"{index}{'x' * 60_000}.mid": b"" for index in range(2)})
    contents, reasons = read_all(path, 10_000)
    assert contents == {}
    assert re.fullmatch(r"the archive is damaged: a part of 12\d,\d{3} bytes", reasons["x.zip"])


def test_headers_without_end_are_read_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_HEADERS_BYTES", 100_000)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for index in range(9):
            info = tarfile.TarInfo(f"{index}.mid")
            info.size, info.pax_headers = 20_000, {"comment": "x" * 30_000}
            archive.addfile(info, io.BytesIO(bytes(20_000)))
    contents, reasons = read_all(tmp_path / "x.tar.gz")
    assert list(contents) == ["x.tar.gz/0.mid", "x.tar.gz/1.mid", "x.tar.gz/2.mid"]
    assert reasons == {"x.tar.gz": "the archive is damaged: its headers are too long"}


def test_a_header_without_end_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 10_000)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("a.mid")
        info.pax_headers = {"comment": "x" * 100_000}
        archive.addfile(info)
    contents, reasons = read_all(tmp_path / "x.tar.gz", 10_000)
    assert contents == {}
    assert "damaged" in reasons["x.tar.gz"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.zip", b"PK\3\4 no zip"),
        ("x.tar", b"no tar" * 200),
        ("x.tar.gz", b"no gzip"),
        ("x.tar.gz", gzip.compress(bytes(range(256)) * 40)[:-200]),
        ("x.tar.xz", b"\xfd7zXZ\0 no xz"),
        ("x.zip", b""),
    ],
)
def test_a_damaged_archive_is_listed_with_its_reason(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "fine.mid").write_bytes(b"x")
    contents, reasons = read_all(tmp_path)
    assert contents == {"fine.mid": b"x"}
    assert "damaged" in reasons[name]


def test_an_archive_cut_short_gives_what_is_there(tmp_path):
    path = tarred(tmp_path / "x.tar", {f"{index}.mid": bytes(2000) for index in range(5)})
    path.write_bytes(path.read_bytes()[:6000])
    contents, reasons = read_all(path)
    assert list(contents) == ["x.tar/0.mid", "x.tar/1.mid"]
    assert reasons


def test_an_archive_in_an_archive_and_an_encrypted_member_are_refused(tmp_path):
    inner = zipped(tmp_path / "inner.zip", CONTENT).read_bytes()
    path = zipped(tmp_path / "x.zip", {"inner.zip": inner, "secret.mid": b"x" * 50})
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # local header, central directory
        at = content.index(b"secret.mid", 0 if mark == b"PK\3\4" else content.rindex(b"PK\1\2"))
        content[content.rindex(mark, 0, at) + flags] |= 1
    path.write_bytes(content)
    contents, reasons = read_all(path)
    assert contents == {}
    assert "unpack it first" in reasons["x.zip/inner.zip"]
    assert "password" in reasons["x.zip/secret.mid"]


def test_names_that_are_no_text_can_be_written_down(tmp_path):
    try:
        (tmp_path / "caf\udce9.mid").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system knows no such names")
    assert read_all(tmp_path)[0] == {"caf\\xe9.mid": b"x"}


def test_a_missing_corpus_is_said_plainly(tmp_path):
    with pytest.raises(KakeaiError, match=r"there is no .*nowhere"):
        read_all(tmp_path / "nowhere")


def test_a_bucket_is_a_folder(bucket, tmp_path):
    tunes = bucket.folder()
    for name, content in CONTENT.items():
        bucket.put(f"{tunes}/ireland/{name}", content)
    packed = zipped(tmp_path / "more.zip", {"d.mid": b"fourth"})
    bucket.put(f"{tunes}/ireland/more.zip", packed.read_bytes())
    bucket.put(f"{tunes}/irelands/neighbour.mid", b"not asked for")
    assert read_all(f"{tunes}/ireland") == ({**CONTENT, "more.zip/d.mid": b"fourth"}, {})
    assert read_all(f"{tunes}/ireland/a.mid") == ({"a.mid": b"first"}, {})
    assert Corpus(f"{tunes}/ireland").name == "ireland"
    with pytest.raises(KakeaiError, match=f"there is no {tunes}/scotland"):
        read_all(f"{tunes}/scotland")
