"""Survey and what ingest makes of its manifest: corpora in folders and in buckets, whole and day by day."""

import json
import shutil
import tarfile
import zipfile
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakeai import storage
from kakeai import store as model_store
from kakeai.corpus import listing, sizes
from kakeai.corpus.shards import divide
from kakeai.errors import ExitStatus, KakeaiError
from kakeai.manifest import MANIFEST, read_manifest
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from kakeai.reading import packs
from kakeai.reading.ledger import read_ledger
from kakeai.stages.convert import convert
from kakeai.stages.ingest import ingest, ingest_shard
from kakeai.stages.survey import survey

RECIPE = {"config": "lookback_rnn", "num_training_steps": 20}


def tune(pitch):
    return write_midi([Track("tune", make_notes([(pitch, 90, 0.0, 0.5)]))])


def fill(folder, **tunes):
    """Write tunes into a folder, each by its pitch."""
    folder.mkdir(exist_ok=True)
    for name, pitch in tunes.items():
        (folder / f"{name}.mid").write_bytes(tune(pitch))
    return folder


def zipped(path, **tunes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, pitch in tunes.items():
            archive.writestr(f"{name}.mid", tune(pitch))
    return path.read_bytes()


def released(store, manifest, recipe=RECIPE):
    """A store whose newest version was trained on a manifest's corpus."""
    files = {"saved_model.pb": manifest / MANIFEST, model_store.MANIFEST: manifest / MANIFEST}
    model_store.publish(files, {"recipe": recipe}, store, "kakeai", 0)
    return str(store)


def rows(folder):
    return list(read_manifest(folder / MANIFEST))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "survey"


def test_the_fingerprint_is_of_what_is_in_the_files(tmp_path, out):
    same = [
        fill(tmp_path / "plain", a=60, b=62),
        fill(tmp_path / "renamed", x=62, y=60),
        fill(tmp_path / "twice", a=60, b=62, c=60),
    ]
    zipped(tmp_path / "packed.zip", n=60, m=62)
    prints = {survey(str(corpus), out).fingerprint for corpus in [*same, tmp_path / "packed.zip"]}
    assert len(prints) == 1
    assert survey(str(fill(tmp_path / "other", a=60, b=63)), out).fingerprint not in prints


def test_a_content_counts_once_across_folders_archives_and_shards(tmp_path, out):
    corpus = fill(tmp_path / "corpus", a=60, b=62, c=60)
    zipped(corpus / "d.zip", e=62, f=64)
    result = survey(str(corpus), out, num_shards=3)
    assert (result.num_files, result.num_duplicates) == (3, 2)
    assert result.num_bytes == sum(len(tune(pitch)) for pitch in (60, 62, 64))
    assert {row.file: row.same_as for row in rows(out)} == {
        "a.mid": "", "b.mid": "", "c.mid": "a.mid", "d.zip/e.mid": "b.mid", "d.zip/f.mid": "",
    }  # fmt: skip
    results = [ingest_shard(out, tmp_path / str(shard), shard) for shard in range(3)]
    assert sum(result.num_files for result in results) == 3
    ledger = [row for shard in range(3) for row in read_ledger(tmp_path / str(shard))]
    assert Counter(row.verdict for row in ledger) == {"read": 3, "duplicate": 2}


def test_many_objects_are_listed_once_and_not_read(bucket, out):
    corpus = bucket.folder()
    for number in range(10_000):
        bucket.put(f"{corpus}/{number:05d}.mid", b"%d" % number)
    before = len(bucket.calls)
    result = survey(corpus, out)
    calls = bucket.calls[before:]
    assert sum(call.lists for call in calls) == 10  # a thousand each
    assert not any(call.downloads for call in calls)
    assert result.num_files == 10_000
    assert [row.file for row in rows(out)[::1000]] == [
        f"{number:05d}.mid" for number in range(0, 10_000, 1000)
    ]
    assert all(row.generation for row in rows(out))


def put_folder(bucket, folder):
    corpus = bucket.folder()
    bucket.upload(folder, corpus)
    return corpus


def test_the_dataset_is_the_same_whatever_the_shards_and_whatever_is_reused(bucket, ireland, tmp_path):
    """From a bucket with folders and archives; those with 1 and 2 shards keep what the one with 7 takes over."""
    folder = tmp_path / "ireland"
    shutil.copytree(ireland, folder)
    for name, paths in (("some.tar.xz", sorted(folder.glob("*.mid"))[:7]), ("more.tar", [])):
        with tarfile.open(folder / name, "w:xz" if name.endswith("xz") else "w") as archive:
            for path in paths or sorted((folder / "more").glob("*.mid"))[:4]:
                archive.add(path, path.name)
                path.unlink()
    corpus, reuse = put_folder(bucket, folder), bucket.folder()
    written = {}
    for num_shards in (1, 2, 7):
        place = tmp_path / str(num_shards)
        keep = reuse if num_shards != 2 else ""
        survey(corpus, place / "survey", num_shards=num_shards, reuse=keep)
        shards = [place / f"shard-{shard}" for shard in range(num_shards)]
        results = [ingest_shard(place / "survey", path, shard, 1, keep) for shard, path in enumerate(shards)]
        assert sum(result.num_files for result in results) == 30
        assert sum(result.num_reused for result in results) == (30 if num_shards == 7 else 0)
        assert all(result.num_files for result in results)
        convert(shards[::-1], place / "dataset", "basic_rnn", 0.2)
        written[num_shards] = {path.name: path.read_bytes() for path in (place / "dataset").iterdir()}
    assert written[1]["training.tfrecord"]
    assert written[1] == written[2] == written[7]


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["", "", "a.zip", "b.zip"]))), st.integers(1, 9))
def test_shards_finish_together(files, num_shards):
    seconds, groups = [length for length, _ in files], [group for _, group in files]
    shard_of = divide(seconds, groups, num_shards)
    busy = [0.0] * num_shards
    for length, shard in zip(seconds, shard_of, strict=True):
        busy[shard] += length
    # Nobody begins anything while somebody else has less to do.
    assert max(busy) <= sum(seconds) / num_shards + max([*seconds, sum(seconds) / num_shards / 8]) + 1e-6
    assert shard_of == divide(seconds, groups, num_shards)


def test_what_is_new_and_gone_is_told_and_an_unchanged_corpus_is_left_alone(tmp_path, out):
    corpus = fill(tmp_path / "corpus", a=60, b=62, c=64)
    first = survey(str(corpus), out, str(tmp_path / "store"), recipe=RECIPE)
    assert (first.champion, first.changed, first.num_new) == (0, True, 3)
    store = released(tmp_path / "store", out)

    again = survey(str(corpus), out, store, recipe=RECIPE)
    assert (again.champion, again.changed, again.num_new, again.num_gone) == (1, False, 0, 0)
    assert again.sentence == "3 files, nothing new since version 1 was trained"
    (corpus / "a.mid").rename(corpus / "z.mid")
    assert not survey(str(corpus), out, store, recipe=RECIPE).changed

    other = survey(str(corpus), out, store, recipe=RECIPE | {"num_training_steps": 30})
    assert other.changed
    assert "another recipe" in other.sentence

    fill(corpus, b=66, d=68)
    changed = survey(str(corpus), out, store, recipe=RECIPE)
    assert (changed.changed, changed.num_new, changed.num_gone) == (True, 2, 1)
    assert changed.sentence == "4 files, 2 of them new and 1 gone since version 1"
    assert json.loads((out / "survey.json").read_text())["num_new"] == 2

    assert survey(str(corpus), out, store, recipe=RECIPE, min_new=2).changed
    waiting = survey(str(corpus), out, store, recipe=RECIPE, min_new=3)
    assert not waiting.changed
    assert waiting.sentence.endswith("since version 1, fewer new ones than the 3 that are waited for")
    assert survey(str(corpus), out, store, recipe=RECIPE | {"seed": 1}, min_new=3).changed


def test_a_corpus_that_lost_most_of_its_files_is_refused(tmp_path, out):
    corpus = fill(tmp_path / "corpus", a=60, b=62, c=64)
    survey(str(corpus), out)
    store = released(tmp_path / "store", out)
    for name in ("a.mid", "b.mid"):
        (corpus / name).unlink()
    kept = (out / "survey.json").read_bytes()
    with pytest.raises(KakeaiError, match=r"lost 2 of the 3 files that version 1 .* --allow-shrink"):
        survey(str(corpus), out, store)
    assert (out / "survey.json").read_bytes() == kept
    assert survey(str(corpus), out, store, allow_shrink=True).num_gone == 2


def test_a_day_pays_for_its_own_files_alone(bucket, tmp_path, out):
    corpus, reuse = bucket.folder(), bucket.folder()
    for pitch in range(40, 60):
        bucket.put(f"{corpus}/{pitch}.mid", tune(pitch))
    bucket.put(f"{corpus}/old.zip", zipped(tmp_path / "old.zip", x=70, y=71))
    bucket.put(f"{corpus}/bad.mid", b"no music")

    def day(number, **settings):
        before = len(bucket.calls)
        survey(corpus, out, num_shards=1, reuse=reuse, **settings)
        result = ingest_shard(out, tmp_path / str(number), 0, 1, reuse)
        read = [call.path.rpartition("/o/")[2] for call in bucket.calls[before:] if call.downloads]
        own = f"{corpus.removeprefix('gs://store/')}%2F"
        return result, sorted(name.removeprefix(own) for name in read if name.startswith(own))

    first, read = day(1)
    assert (first.num_files, first.num_rejected, first.num_reused) == (22, 1, 0)
    assert len(read) == 23  # the archive twice: its members are told apart by what they hold
    store = released(tmp_path / "store", out)

    bucket.put(f"{corpus}/new.mid", tune(90))
    bucket.put(f"{corpus}/renamed.mid", tune(40))
    bucket.remove(f"{corpus}/40.mid")
    second, read = day(2, store=store)
    assert (second.num_files, second.num_rejected, second.num_reused) == (23, 1, 23)
    assert read == ["new.mid"]

    ingest(corpus, tmp_path / "anew", 0, 1, 1)
    for path in (tmp_path / "anew").iterdir():
        if path.name != "ingest.json":
            assert (tmp_path / "2" / path.name).read_bytes() == path.read_bytes()


def test_what_is_too_large_is_never_fetched(bucket, tmp_path, out, monkeypatch):
    monkeypatch.setattr(sizes, "MAX_FILE_BYTES", 200)
    monkeypatch.setattr(listing, "MAX_ARCHIVE_BYTES", 200)
    corpus = bucket.folder()
    for name, content in {"a.mid": tune(60), "b.abc": bytes(201), "c.zip": bytes(201)}.items():
        bucket.put(f"{corpus}/{name}", content)
    before = len(bucket.calls)
    survey(corpus, out)
    ingest_shard(out, tmp_path / "ingested", 0, 1)
    assert sum(call.downloads for call in bucket.calls[before:]) == 1
    verdicts = {row.file: (row.verdict, row.reason[:23]) for row in read_ledger(tmp_path / "ingested")}
    assert verdicts == {
        "a.mid": ("read", ""),
        "b.abc": ("rejected", "201 bytes are too many "),
        "c.zip": ("rejected", "201 bytes are too many "),
    }


def test_packs_may_go_or_be_of_an_older_reader(tmp_path, monkeypatch):
    corpus, reuse = fill(tmp_path / "corpus", a=60, b=62), tmp_path / "reuse"
    survey(str(corpus), tmp_path / "before")

    def reused():
        return ingest(str(corpus), tmp_path / "out", num_processes=1, reuse=str(reuse)).num_reused

    assert [reused(), reused()] == [0, 2]
    survey(str(corpus), tmp_path / "before", reuse=str(reuse))
    (pack,) = reuse.rglob("*.tfrecord")
    pack.unlink()
    assert ingest_shard(tmp_path / "before", tmp_path / "out", 0, 1, str(reuse)).num_files == 2
    content = bytearray(pack.read_bytes())
    content[-9] ^= 1
    pack.write_bytes(content)
    with pytest.raises(KakeaiError, match=r"damaged .* delete it"):
        reused()
    monkeypatch.setattr(packs, "reader_fingerprint", lambda: "another")
    assert [reused(), reused()] == [0, 2]


@pytest.mark.parametrize("place", ["bucket", "folder"])
@pytest.mark.parametrize("what", ["changed", "deleted", "archive"])
def test_files_that_change_while_they_are_read_are_noticed(bucket, tmp_path, out, place, what):
    folder = fill(tmp_path / "corpus", a=60, b=62)
    zipped(folder / "c.zip", d=64)
    corpus = put_folder(bucket, folder) if place == "bucket" else str(folder)
    survey(corpus, out)
    name = "c.zip" if what == "archive" else "b.mid"
    content = zipped(tmp_path / "e.zip", d=65) if what == "archive" else tune(63)
    if place == "bucket":
        bucket.remove(f"{corpus}/{name}") if what == "deleted" else bucket.put(f"{corpus}/{name}", content)
    else:
        (folder / name).unlink() if what == "deleted" else (folder / name).write_bytes(content)
    with pytest.raises(KakeaiError, match=f"{name}.* was changed or deleted while the corpus was read"):
        ingest_shard(out, tmp_path / "ingested", 0, 1)
    assert not (tmp_path / "ingested").exists()


def test_a_bucket_that_is_busy_for_a_while_is_asked_again(bucket, tmp_path, out, monkeypatch):
    monkeypatch.setattr(storage, "FIRST_WAIT_SECONDS", 0.01)
    corpus = put_folder(bucket, fill(tmp_path / "corpus", a=60, b=62))
    asked = Counter()

    def busy(call):
        asked[call.path] += 1
        return 503 if asked[call.path] <= 2 else None

    with bucket.answering(busy):
        assert survey(corpus, out).num_files == 2
        assert ingest_shard(out, tmp_path / "ingested", 0, 1).num_files == 2
    assert sorted(asked.values()) == [3, 3, 3]  # the list and both files


@pytest.mark.parametrize(
    ("status", "words", "exit_status"),
    [
        (401, "there are no credentials for gs://store.* gcloud auth", ExitStatus.SERVICE),
        (403, "may not use gs://store/.* roles/storage", ExitStatus.SERVICE),
        (404, "there is no bucket gs://store", ExitStatus.BAD_INPUT),
        (503, "gs://store does not answer.* try again later", ExitStatus.SERVICE),
    ],
)
def test_a_bucket_that_cannot_be_used_is_one_sentence(bucket, out, monkeypatch, status, words, exit_status):
    monkeypatch.setattr(storage, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(storage, "PATIENCE_SECONDS", 0.1)
    with bucket.answering(lambda call: status), pytest.raises(KakeaiError, match=words) as refused:
        survey(bucket.folder(), out)
    assert refused.value.exit_status == exit_status
    assert not out.exists()


def test_what_is_no_manifest_is_refused(tmp_path, out):
    with pytest.raises(KakeaiError, match="holds no manifest; make it with kakeai survey"):
        ingest_shard(tmp_path, tmp_path / "ingested")
    survey(str(fill(tmp_path / "corpus", a=60)), out)
    (out / MANIFEST).write_bytes((out / MANIFEST).read_bytes()[:-9])
    with pytest.raises(KakeaiError, match=f"the manifest .*{MANIFEST} cannot be read"):
        ingest_shard(out, tmp_path / "ingested")


def test_the_command_tells_in_a_line(kakeai, tmp_path):
    corpus = fill(tmp_path / "corpus", a=60, b=62)
    ran = kakeai("survey", str(corpus), "--output", str(tmp_path / "survey"), "--num-shards", "2")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().startswith("survey    2 files, for a first model")
    assert {row.shard for row in rows(tmp_path / "survey")} == {0, 1}
    refused = kakeai("survey", str(tmp_path / "nowhere"), "--output", str(tmp_path / "survey"))
    assert refused.returncode == ExitStatus.BAD_INPUT
    assert "there is no" in refused.stdout + refused.stderr
