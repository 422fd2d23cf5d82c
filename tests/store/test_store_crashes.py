"""What a store is like after changes that were killed, and what a release asks of a bucket."""

import subprocess
import sys
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.store.leases import DEAD_AFTER_SECONDS

MODEL = "tiny"
ACTIONS = ("publish", "promote", "prune")
ALLOWED = {
    "publish": ({1: "a", 2: "b"}, {1: "a", 2: "b", 3: "c"}),
    "promote": ({1: "a", 2: "b"}, {1: "a", 2: "b", 3: "a"}),
    "prune": ({1: "a", 2: "b"}, {2: "b"}),
}


def is_whole_and_goes_on(store, action):
    before = store.marks()
    assert before in ALLOWED[action]
    assert model_store.versions(store.path, MODEL) == sorted(before)
    number = store.publish("next")
    assert number > max(before)
    assert store.marks() == {**before, number: "next"}
    assert store.debris() == []


def is_whole_and_pruned(store, action):
    before = store.marks()
    assert before in ALLOWED[action]
    assert model_store.prune(store.path, MODEL, keep=3) == []
    assert store.marks() == before
    assert store.debris() == []
    assert store.publish("next") > max(before)


@pytest.mark.parametrize("goes_on", [is_whole_and_goes_on, is_whole_and_pruned])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_change_of_a_folder_can_be_killed_at_any_moment(store_in, action, goes_on, tmp_path):
    ran = subprocess.run([sys.executable, Path(__file__).with_name("changing.py"), tmp_path / "runs", action])
    assert ran.returncode == 0
    runs = sorted((tmp_path / "runs").glob("[0-9]*"), key=lambda path: int(path.name))
    assert len(runs) > 10
    for run in runs:
        goes_on(store_in(run), action)


@pytest.mark.parametrize("goes_on", [is_whole_and_goes_on, is_whole_and_pruned])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_change_of_a_bucket_can_be_killed_at_any_moment(bucket, new_in_bucket, action, goes_on):
    for moment in count(1):
        store = new_in_bucket()
        store.seed("ab")
        if action == "prune":  # which then has a dead release to clear away
            assert killed(bucket, store, "publish", 14)
            assert any(name.startswith("3/") for name in store.debris())
            bucket.put_forward(DEAD_AFTER_SECONDS + 1)
        ended = not killed(bucket, store, action, moment)
        if goes_on is is_whole_and_pruned:
            model_store.prune(store.path, MODEL, keep=3)  # by then the release may still be alive
            bucket.put_forward(DEAD_AFTER_SECONDS + 1)
        goes_on(store, action)
        if ended:
            break
    assert moment > 5


def killed(bucket, store, action, moment):
    """Whether the change was killed, or ended before it asked the bucket so often."""
    calls = count(1)
    with bucket.answering(lambda call: 400 if next(calls) >= moment else None):
        try:
            change(store, action)
        except KakeaiError:
            return True
        return next(calls) > moment


def change(store, action):
    match action:
        case "publish":
            store.publish("c", parent=2)
        case "promote":
            model_store.promote(store.path, MODEL, 1)
        case "prune":
            model_store.prune(store.path, MODEL, keep=1)


def test_what_a_release_asks_of_a_bucket(bucket, in_bucket):
    in_bucket.publish("a")
    bucket.calls.clear()
    in_bucket.publish("b")
    written = [call for call in bucket.calls if call.method == "POST"]
    claim, last = written[0], written[-1]
    assert claim.query["ifGenerationMatch"] == "0"
    assert all(call.query["ifGenerationMatch"] == "0" for call in written if "/copyTo/" in call.path)
    source, destination = unquote(last.path).split("/copyTo/")
    assert source.endswith("/tiny/.2/saved_model.pb")
    assert destination.endswith("/tiny/2/saved_model.pb")
    assert int(last.query["ifSourceGenerationMatch"])


def test_answers_that_are_lost_cost_no_release(bucket, in_bucket, monkeypatch):
    """The service did what was asked and the client, which heard 503, asks again."""
    monkeypatch.setattr(DEFAULT_RETRY, "_initial", 0.01)  # seconds
    in_bucket.publish("a")
    lost = set()

    def loses(call):
        first = call.method == "POST" and (call.path, call.query.get("name")) not in lost
        lost.add((call.path, call.query.get("name")))
        return first

    monkeypatch.setattr(bucket, "loses", loses)
    number = in_bucket.publish("b")
    assert len(lost) > 5
    assert in_bucket.marks() == {1: "a", number: "b"}
    assert in_bucket.debris() == []
