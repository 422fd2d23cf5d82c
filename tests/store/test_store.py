"""The model store in a folder and in a bucket: what it holds, what its cards tell, and how it changes."""

import json
from threading import Barrier, Thread

import pytest

from kakeai import store as model_store
from kakeai.errors import KakeaiError

MODEL = "tiny"


def change_card(store, version, **changes):
    path = store.path / MODEL / str(version) / model_store.CARD
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def card(store, version):
    return model_store.read_card(store.path, MODEL, version)


def test_an_empty_store(store):
    assert model_store.versions(store.path, MODEL) == []
    assert model_store.champion(store.path, MODEL) == 0
    assert card(store, 1) == {}
    assert list(model_store.lineage(store.path, MODEL, 1)) == []


def test_versions_count_up_and_their_cards_lead_back_to_the_first(store):
    assert [store.publish(mark) for mark in "abc"] == [1, 2, 3]
    assert store.marks() == {1: "a", 2: "b", 3: "c"}
    assert store.debris() == []
    assert model_store.champion(store.path, MODEL) == 3
    assert (card(store, 3)["name"], card(store, 3)["store_format"]) == (MODEL, 1)
    assert (card(store, 3)["parent"], card(store, 3)["lineage"]) == (2, [2, 1])
    assert (card(store, 1)["parent"], card(store, 1)["lineage"]) == (None, [])
    assert [each["version"] for each in model_store.lineage(store.path, MODEL, 3)] == [3, 2, 1]


def test_a_release_that_was_compared_with_an_older_version_is_not_made(store):
    store.publish("a")
    store.publish("b")
    with pytest.raises(model_store.OvertakenError, match=r"another release into .* ended while this one"):
        store.publish("late", parent=1)
    assert store.marks() == {1: "a", 2: "b"}
    assert store.debris() == []


def test_releases_at_the_same_time_end_with_a_version_of_their_own_or_a_sentence(store):
    store.publish("first")
    barrier, released, told = Barrier(4), {}, {}

    def run(mark):
        barrier.wait()
        try:
            released[mark] = store.publish(mark, parent=1)
        except model_store.OvertakenError as error:
            told[mark] = str(error)

    threads = [Thread(target=run, args=[mark]) for mark in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert released
    assert released.keys() | told.keys() == set("abcd")
    assert store.marks() == {1: "first"} | {number: mark for mark, number in released.items()}
    assert store.debris() == []


def test_a_rollback_releases_the_weights_before_under_a_new_number(store):
    for mark in "abc":
        store.publish(mark)
    assert model_store.rollback(store.path, MODEL, "Ada", "plays nothing but rests") == 4
    assert store.marks() == {1: "a", 2: "b", 3: "c", 4: "b"}
    rolled_back = card(store, 4)
    assert (rolled_back["parent"], rolled_back["promoted_from"], rolled_back["lineage"]) == (3, 2, [2, 1])
    assert (rolled_back["promoted_by"], rolled_back["promoted_because"]) == ("Ada", "plays nothing but rests")
    # Once more goes further back, not forth.
    assert model_store.rollback(store.path, MODEL) == 5
    assert store.marks()[5] == "a"
    with pytest.raises(
        KakeaiError, match="no version of tiny with other weights that the newest descends from"
    ):
        model_store.rollback(store.path, MODEL)
    assert model_store.promote(store.path, MODEL, 3) == 6
    assert [each["version"] for each in model_store.lineage(store.path, MODEL, 6)] == [6, 3, 2, 1]
    assert store.debris() == []


@pytest.mark.parametrize(
    ("version", "told"),
    [(7, r"no version 7 of tiny to promote; it has 1, 2"), (2, "the newest and plays already")],
)
def test_what_cannot_be_promoted(store, version, told):
    store.publish("a")
    store.publish("b")
    with pytest.raises(KakeaiError, match=told):
        model_store.promote(store.path, MODEL, version)
    assert store.marks() == {1: "a", 2: "b"}


def test_pruning_keeps_the_newest_and_the_pinned_and_every_card(store):
    for mark in "abcdef":
        store.publish(mark)
    assert model_store.prune(store.path, MODEL, keep=2, pinned=[2], dry_run=True) == [1, 3, 4]
    assert len(store.marks()) == 6
    assert model_store.prune(store.path, MODEL, keep=2, pinned=[2]) == [1, 3, 4]
    assert store.marks() == {2: "b", 5: "e", 6: "f"}
    assert store.debris() == []
    assert [each["bundle_sha256"] for each in model_store.lineage(store.path, MODEL, 6)] == list("fedcba")
    # Also when the version before is gone, a rollback finds the one that is left.
    assert model_store.prune(store.path, MODEL, keep=1, pinned=[2]) == [5]
    assert model_store.rollback(store.path, MODEL) == 7
    assert store.marks() == {2: "b", 6: "f", 7: "b"}


def test_what_cannot_be_pruned(store):
    store.publish("a")
    with pytest.raises(KakeaiError, match="--keep must be 1 or more"):
        model_store.prune(store.path, MODEL, keep=0)
    with pytest.raises(KakeaiError, match="no version 5 of tiny to keep"):
        model_store.prune(store.path, MODEL, keep=1, pinned=[5])
    assert store.marks() == {1: "a"}


def test_a_store_of_a_newer_kakeai_is_refused(store):
    store.publish("a")
    store.publish("b")
    change_card(store, 2, store_format=2)
    told = r"written by a newer Kakeai \(store format 2, this one knows 1\); upgrade Kakeai"
    for change in (
        lambda: store.publish("c"),
        lambda: model_store.promote(store.path, MODEL, 1),
        lambda: model_store.rollback(store.path, MODEL),
        lambda: model_store.prune(store.path, MODEL, keep=1),
        lambda: card(store, 2),
    ):
        with pytest.raises(KakeaiError, match=told):
            change()
    assert model_store.versions(store.path, MODEL) == [1, 2]


@pytest.mark.parametrize("text", ["[1]", "{", "null"])
def test_a_card_that_is_none(store, text):
    store.publish("a")
    (store.path / MODEL / "1" / model_store.CARD).write_text(text)
    with pytest.raises(KakeaiError, match=r"the model card .* cannot be read"):
        card(store, 1)


def test_a_store_without_a_bucket(bucket):
    from kakeai.storage import location

    with pytest.raises(KakeaiError, match="there is no bucket gs://nowhere"):
        model_store.versions(location("gs://nowhere/store"), MODEL)
