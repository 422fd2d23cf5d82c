"""Links in the folder of a corpus, and what only looks like a file."""

import json
import os

import pytest
from smf import chunk, midi

from kakeai.corpus.archives import UnreadableError
from kakeai.corpus.files import Corpus
from kakeai.errors import KakeaiError
from kakeai.reading.ledger import read_ledger
from kakeai.stages.ingest import ingest

OUT = "it is a link that leads out of the corpus; --follow-links follows it"
NO_FILE = "it is no file, but a folder, a pipe or a device"


def tune(pitch):
    return midi(chunk(f"00 90{pitch:02x}40", f"60 80{pitch:02x}40"))


@pytest.fixture
def corpus(tmp_path):
    """A folder with two tunes, beside one with another."""
    for folder, names in {"corpus": ["a.mid", "deep/b.mid"], "library": ["c.mid", "more/d.mid"]}.items():
        for name in names:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_bytes(tune(60 + ord(name[-5]) - ord("a")))
    return tmp_path / "corpus"


def ingested(corpus, tmp_path, **options):
    """What the ledger says of each file: its verdict and reason."""
    ingest(str(corpus), tmp_path / "out", num_processes=1, **options)
    return {row.file: row.reason or row.verdict for row in read_ledger(tmp_path / "out")}


def test_a_loop_or_a_link_to_nothing_is_a_reason(corpus, tmp_path):
    own = {"a.mid": "read", "deep/b.mid": "read"}
    for name, target in {
        "self.mid": "self.mid", "one": "two", "two": "one", "gone.mid": "nowhere.mid", "gone.zip": "nowhere",
        "gone": "nowhere", "notes.txt": "nowhere", "deep/up": "..", "deep/here": ".",
    }.items():  # fmt: skip
        (corpus / name).symlink_to(target)
    circle, nowhere = "it is a link that leads in a circle", "it is a link that leads nowhere"
    expected = {
        "self.mid": circle, "one": circle, "two": circle, "gone.mid": nowhere, "gone.zip": nowhere, "gone": nowhere,
    }  # fmt: skip
    for follow_links in (False, True):
        assert ingested(corpus, tmp_path, follow_links=follow_links) == {**own, **expected}


def test_a_link_to_what_lies_in_the_corpus_counts(corpus, tmp_path):
    (corpus / ".kept").mkdir()
    (corpus / ".kept" / "e").write_bytes(tune(70))
    (corpus / "e.mid").symlink_to(".kept/e")
    (corpus / ".shelf").mkdir()
    (corpus / ".shelf" / "f.mid").write_bytes(tune(71))
    (corpus / "shelf").symlink_to(corpus / ".shelf")
    (corpus / "z.mid").symlink_to("a.mid")
    assert ingested(corpus, tmp_path) == {
        "a.mid": "read",
        "deep/b.mid": "read",
        "e.mid": "read",
        "shelf/f.mid": "read",
        "z.mid": "a.mid has the same content",
    }


def test_a_link_out_of_the_corpus_is_followed_only_when_asked_for(corpus, tmp_path):
    (corpus / "c.mid").symlink_to("../library/c.mid")
    (corpus / "library").symlink_to(tmp_path / "library")
    (corpus / "library again").symlink_to(tmp_path / "library" / "more")
    (tmp_path / "library" / "back").symlink_to("..")
    own = {"a.mid": "read", "deep/b.mid": "read"}
    assert ingested(corpus, tmp_path) == {**own, "c.mid": OUT, "library": OUT, "library again": OUT}
    # Each folder once, though the way back leads through all of them again.
    assert ingested(corpus, tmp_path, follow_links=True) == {
        **own,
        "c.mid": "read",
        "library/c.mid": "c.mid has the same content",
        "library/more/d.mid": "read",
    }


def test_the_corpus_itself_may_be_a_link(corpus, tmp_path):
    (tmp_path / "link").symlink_to("corpus")
    (tmp_path / "tune.mid").symlink_to("corpus/a.mid")
    assert ingested(tmp_path / "link", tmp_path) == {"a.mid": "read", "deep/b.mid": "read"}
    assert ingested(tmp_path / "tune.mid", tmp_path) == {"tune.mid": "read"}
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(KakeaiError, match=r"circle cannot be read: Too many levels"):
        ingest(str(tmp_path / "circle"), tmp_path / "out")


def test_the_commands_have_the_option(corpus, tmp_path, kakeai):
    (corpus / "c.mid").symlink_to("../library/c.mid")
    survey = kakeai("survey", str(corpus), "--output", str(tmp_path / "survey"), "--follow-links")
    assert "3 files, for a first model" in survey.stdout
    ended = kakeai("ingest", str(corpus), "--output", str(tmp_path / "out"), "--follow-links")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads((tmp_path / "out" / "ingest.json").read_text())["num_sequences"] == 3


@pytest.mark.parametrize("suffix", [".mid", ".zip", ".tar", ".tar.gz"])
def test_what_is_no_file_is_neither_read_nor_waited_for(corpus, tmp_path, suffix):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    targets = {"fifo": tmp_path / "fifo", "zeros": "/dev/zero", "terminal": "/dev/tty"}
    for name, target in targets.items():
        (corpus / f"{name}{suffix}").symlink_to(target)
    os.mkfifo(corpus / f"pipe{suffix}")  # no link: like a folder, it is no music
    found = ingested(corpus, tmp_path, follow_links=True)
    assert {found.pop(f"{name}{suffix}") for name in ("fifo", "zeros")} == {NO_FILE}
    assert found.pop(f"terminal{suffix}")  # with no terminal, it cannot even be opened
    assert found == {"a.mid": "read", "deep/b.mid": "read"}
    with pytest.raises(KakeaiError, match=f"pipe{suffix} cannot be read: Not a directory"):
        ingest(str(corpus / f"pipe{suffix}"), tmp_path / "out")


@pytest.mark.parametrize("suffix", [".mid", ".tar"])
def test_a_disk_that_fails_is_not_called_damage(corpus, tmp_path, suffix):
    (corpus / f"memory{suffix}").symlink_to("/proc/self/mem")  # a regular file whose start cannot be read
    found = ingested(corpus, tmp_path, follow_links=True)
    assert found[f"memory{suffix}"] == "it cannot be read: Input/output error"


def test_a_file_that_grows_while_it_is_read_is_too_large(tmp_path):
    """Files of /proc are regular, and say that they are empty."""
    (tmp_path / "endless.mid").symlink_to("/proc/self/smaps")
    corpus = Corpus(str(tmp_path), follow_links=True)
    assert len(corpus.read("endless.mid")) > 0
    corpus = Corpus(str(tmp_path), max_midi_bytes=1000, follow_links=True)
    with pytest.raises(UnreadableError, match="1,001 bytes are too many"):
        corpus.read("endless.mid")


def test_a_folder_that_cannot_be_listed_is_a_reason(corpus, tmp_path):
    here = os.open(corpus, os.O_RDONLY)
    name = "x" * 250
    for _ in range(20):  # deeper than a path may be long
        os.mkdir(name, dir_fd=here)
        here, above = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    found = ingested(corpus, tmp_path)
    (unreadable,) = found.keys() - {"a.mid", "deep/b.mid"}
    assert found[unreadable] == "it cannot be read: File name too long"
