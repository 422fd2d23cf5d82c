"""Changes of a store that happen while a release is under way: at every moment that it touches the store."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path
from threading import Event, Semaphore

import pytest
from touches import before_each_touch

from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.store import leases
from kakeai.store.disk import UNDER_WAY
from kakeai.store.layout import GRAPH

MODEL = "tiny"
WAIT_SECONDS = 60  # for what happens at once


def publish(store, mark, parent):
    """What a release made, and what it said if it made nothing."""
    try:
        return {store.publish(mark, parent): mark}, ""
    except KakeaiError as error:
        return {}, f"{type(error).__name__}: {error}"


def prune(store, keep=1):
    return model_store.prune(store.path, MODEL, keep)


def without(versions, pruned):
    return {number: mark for number, mark in versions.items() if number not in pruned}


def test_a_release_is_left_alone_by_a_prune(new_store):
    for moment in count(1):
        store = new_store()
        store.seed("ab")
        with store.interrupted(moment, lambda store=store: prune(store)) as pruned:
            made, said = publish(store, "c", parent=2)
        if not pruned:
            break
        assert (made, said) == ({3: "c"}, ""), moment
        assert store.marks() == without({1: "a", 2: "b", 3: "c"}, pruned[0])
        assert store.debris() == []
    assert moment > 10


def test_a_prune_is_left_alone_by_a_release(new_store):
    for moment in count(1):
        store = new_store()
        store.seed("ab")
        with store.interrupted(moment, lambda store=store: publish(store, "c", parent=2)) as released:
            pruned = prune(store)
        if not released:
            break
        assert released[0] == ({3: "c"}, ""), moment
        assert store.marks() == without({1: "a", 2: "b", 3: "c"}, pruned)
        assert store.debris() == []
    assert moment > 5


def test_a_promotion_is_whole_or_says_that_its_version_was_pruned(new_store):
    said = []
    for moment in count(1):
        store = new_store()
        store.seed("ab")
        made = {}
        with store.interrupted(moment, lambda store=store: prune(store)) as pruned:
            try:
                made = {model_store.promote(store.path, MODEL, 1): "a"}
            except KakeaiError as error:
                said.append(str(error))
        if not pruned:
            break
        assert store.marks() == without({1: "a", 2: "b", **made}, pruned[0])
        assert store.debris() == []
    assert moment > 10
    assert said
    for sentence in said:
        assert (
            "pruned, meanwhile" in sentence
            or "pruned meanwhile" in sentence
            or "has no version 1" in sentence
        )


def test_of_two_releases_one_is_made_and_the_other_says_so(new_store):
    for moment in count(1):
        store = new_store()
        store.seed("a")
        with store.interrupted(moment, lambda store=store: publish(store, "fast", parent=1)) as fast:
            slow, said = publish(store, "slow", parent=1)
        if not fast:
            break
        made = {**slow, **fast[0][0]}
        assert len(made) == 1, moment
        assert (said or fast[0][1]).startswith("OvertakenError: another release into ")
        assert store.marks() == {1: "a", **made}
        assert store.debris() == []
    assert moment > 10


STOPPED = """
import os, signal, sys
from itertools import count
from pathlib import Path
from changing import publish
from touches import before_each_touch

store, touches = Path(sys.argv[1]), count(1)

def stop():
    if next(touches) == 20:
        os.kill(os.getpid(), signal.SIGSTOP)

with before_each_touch(store / "tiny", stop):
    publish(store)
"""


def test_a_release_in_another_process_lives_until_it_is_killed(in_folder):
    in_folder.seed("ab")

    def stopped():
        command = [sys.executable, "-c", STOPPED, in_folder.path]
        process = subprocess.Popen(command, cwd=Path(__file__).parent)
        os.waitpid(process.pid, os.WUNTRACED)
        assert prune(in_folder, keep=3) == []
        assert in_folder.debris()
        return process

    process = stopped()
    process.kill()
    process.wait()
    assert prune(in_folder, keep=3) == []
    assert in_folder.debris() == []
    process = stopped()
    process.send_signal(signal.SIGCONT)
    assert process.wait() == 0
    assert in_folder.marks() == {1: "a", 2: "b", 3: "c"}
    assert in_folder.debris() == []


def test_a_release_that_was_silent_is_cleared_away_and_says_so(bucket, new_in_bucket):
    said = []
    for moment in count(1):
        store = new_in_bucket()
        store.seed("ab")

        def prune_later(store=store):
            bucket.put_forward(leases.DEAD_AFTER_SECONDS + 1)
            return prune(store)

        with store.interrupted(moment, prune_later) as pruned:
            made, sentence = publish(store, "c", parent=2)
        if not pruned:
            break
        assert bool(made) != bool(sentence)
        assert store.marks() == without({1: "a", 2: "b", **made}, pruned[0])
        assert store.debris() == []
        said += [sentence] if sentence else []
    assert moment > 10
    assert len(said) > 5
    for sentence in said:
        assert sentence.startswith("KakeaiError: the files of this release were removed from ")
        assert "has not refreshed its claim for 60 s" in sentence


@pytest.mark.parametrize("last", [f"/{GRAPH}", "/variables.index"])
def test_a_slow_release_lives_as_long_as_it_refreshes_its_claim(bucket, in_bucket, last, monkeypatch):
    monkeypatch.setattr(leases, "REFRESH_SECONDS", 0.01)
    in_bucket.seed("ab")
    refreshed, pruned = Semaphore(0), []

    def answer(call):
        if call.method == "PATCH":
            refreshed.release()
        elif "/copyTo/" in call.path and call.path.replace("%2F", "/").endswith(last) and not pruned:
            bucket.put_forward(3600)
            while refreshed.acquire(blocking=False):
                pass
            # The first may have been answered before; the one before the third comes later.
            assert all(refreshed.acquire(timeout=WAIT_SECONDS) for _ in range(3))
            pruned.append(prune(in_bucket, keep=2))

    with bucket.answering(answer):
        assert publish(in_bucket, "c", parent=2) == ({3: "c"}, "")
    assert pruned == [[]]
    assert in_bucket.marks() == {1: "a", 2: "b", 3: "c"}
    assert in_bucket.debris() == []


def test_a_release_whose_folder_is_taken_away_never_makes_it_anew(new_in_folder):
    said = []
    for moment in count(1):
        store = new_in_folder()
        store.seed("ab")

        def take_away(store=store):
            folders = list((store.path / MODEL).glob(f"{UNDER_WAY}*"))
            for folder in folders:
                folder.rename(store.path / f"gone-{folder.name}")
            return folders

        with store.interrupted(moment, take_away) as taken:
            made, sentence = publish(store, "c", parent=2)
        if not taken:
            break
        assert bool(made) != bool(sentence)
        assert store.marks() == {1: "a", 2: "b", **made}
        assert store.debris() == []
        said += [sentence] if sentence else []
    assert len(said) > 5
    for sentence in said:
        assert sentence.startswith("KakeaiError: the files of this release were removed from ")


def test_a_version_that_lacks_a_file_is_not_released(in_folder):
    in_folder.seed("ab")

    def lose():
        for path in (in_folder.path / MODEL).glob(f"{UNDER_WAY}*/version/variables/variables.index"):
            path.unlink()

    with before_each_touch(in_folder.path / MODEL, lose):
        made, said = publish(in_folder, "c", parent=2)
    assert not made
    assert "the files of this release were removed from " in said
    assert in_folder.marks() == {1: "a", 2: "b"}
    assert in_folder.debris() == []


def test_many_releases_and_prunes_at_once(store):
    store.seed("a")
    ended, made, failed = Event(), {}, []

    def release(name):
        for turn in range(5):
            mark = f"{name}{turn}"
            number, said = publish(store, mark, parent=model_store.champion(store.path, MODEL))
            made.update(number)
            if said and not said.startswith("OvertakenError: another release into "):
                failed.append(said)

    def prune_on():
        while not ended.is_set():
            prune(store, keep=2)

    with ThreadPoolExecutor() as threads:
        prunes = [threads.submit(prune_on) for _ in range(2)]
        releases = [threads.submit(release, name) for name in "xyz"]
        wait(releases)
        ended.set()
    for future in (*prunes, *releases):
        future.result()
    assert failed == []
    assert made
    prune(store, keep=2)
    assert max(store.marks()) == max(made)
    assert store.marks().items() <= made.items()
    assert store.debris() == []


def test_a_disk_without_locks_gets_a_sentence(in_folder, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    made, said = publish(in_folder, "a", parent=0)
    assert not made
    assert said.startswith("KakeaiError: cannot write into the model store ")
    assert "No locks available" in said
    assert in_folder.contents() == {}
