"""Versions that appear, replace each other, fail and go, while a real server serves them."""

import re
import shutil
import threading
import urllib.request
import weakref
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from kakeai.protos.tensorflow_serving.apis.predict_pb2 import PredictRequest
from kakeai.protos.tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from serving.model_server.client import PredictError, predict
from serving.model_server.config import All, Latest, ServedModel, Specific
from serving.model_server.scheduler import PROCESSORS
from serving.model_server.servable import Servable
from serving.model_server.server import RUNS_PER_PROCESSOR

MAX_RUNS = RUNS_PER_PROCESSOR * PROCESSORS
INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "store" / "tiny"
    folder.mkdir(parents=True)
    return folder


def served_number(client, **options) -> int:
    return int(predict(client.address, "tiny", INPUTS, **options)["number"])


def warmup_count(by: int) -> PredictionLog:
    entry = PredictionLog()
    request = entry.predict_log.request
    request.model_spec.name = "tiny"
    request.model_spec.signature_name = "count"
    request.inputs["by"].CopyFrom(tf.make_tensor_proto(np.int64(by)))
    return entry


def test_waits_for_a_store_and_a_model_to_appear(serve, release, base, eventually):
    shutil.rmtree(base.parent)
    client = serve(ServedModel("tiny", base))
    health = health_pb2_grpc.HealthStub(client.channel)

    def healthy():
        return health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING

    with pytest.raises(PredictError) as caught:
        served_number(client)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert caught.value.message.startswith("Servable not found for request: Latest(tiny)")
    assert not healthy()
    with pytest.raises(KakeaiError, match=r"tiny cannot be served: The model's folder .* does not exist"):
        client.server.wait_until_available("tiny", timeout_seconds=0.5)
    base.mkdir(parents=True)
    (base / "draft").mkdir()
    eventually(lambda: "holds no version" in reason(client))
    release(base, 1)
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert served_number(client) == 1
    eventually(healthy)


def reason(client) -> str:
    try:
        client.server.wait_until_available("tiny", timeout_seconds=0)
    except KakeaiError as error:
        return str(error)
    return ""


def test_a_new_version_takes_over_without_a_failed_request(serve, release, base, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    message = PredictRequest(model_spec={"name": "tiny"})
    for name, value in INPUTS.items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    playing = threading.Barrier(4)

    def ask() -> int:
        return client.prediction.Predict(message).model_spec.version.value

    def play(_) -> list[int]:
        heard = [ask()]
        playing.wait()
        while heard[-1] != 2:
            heard.append(ask())
        return heard + [ask() for _ in range(20)]

    with ThreadPoolExecutor(3) as players:
        answers = players.map(play, range(3))
        playing.wait()
        release(base, 2)
        for heard in answers:  # a failed request would be raised here
            assert heard[0] == 1
            assert heard == sorted(heard)
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})


def test_the_old_version_ends_only_when_its_last_request_has(serve, release, base, tmp_path, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    path = tmp_path / "request"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(linger, client, path)
        eventually((tmp_path / "request.arrived").exists)
        release(base, 2)
        eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "UNLOADING"})
        assert served_number(client) == 2
        with pytest.raises(PredictError, match=r"Specific\(tiny, 1\)"):
            served_number(client, version=1)
        (tmp_path / "request.go").touch()
        assert slow.result()["number"] == 1
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})


def test_no_request_waits_for_a_version_to_be_unloaded(
    serve, release, base, tmp_path, eventually, monkeypatch
):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    unloading, may_end = threading.Event(), threading.Event()
    close = Servable.close

    def close_slowly(servable):
        unloading.set()
        may_end.wait(60)
        close(servable)

    monkeypatch.setattr(Servable, "close", close_slowly)
    try:
        with ThreadPoolExecutor(1) as pool:
            last = pool.submit(linger, client, tmp_path / "request")
            eventually((tmp_path / "request.arrived").exists)
            release(base, 2)
            eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "UNLOADING"})
            (tmp_path / "request.go").touch()
            eventually(unloading.is_set)
            assert last.result(timeout=30)["number"] == 1  # the request that let it be unloaded
            assert served_number(client) == 2
            release(base, 3)  # nor does the next version
            eventually(lambda: client.states("tiny").get(3) == "AVAILABLE")
            assert client.states("tiny") == {3: "AVAILABLE", 2: "UNLOADING", 1: "UNLOADING"}
    finally:
        may_end.set()
    eventually(lambda: client.states("tiny") == {3: "AVAILABLE", 2: "END", 1: "END"})


def test_unloading_that_fails_is_logged_and_ends(serve, release, base, eventually, monkeypatch, caplog):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    with monkeypatch.context() as patch:
        patch.setattr(Servable, "close", lambda _: 1 / 0)
        release(base, 2)
        eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})
    assert "tiny version 1: unloading failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_an_unloaded_version_leaves_memory_at_once(serve, release, base, eventually, monkeypatch):
    """Its session is freed by the thread that unloads it: no request and no thread that waits for one holds it."""
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert served_number(client) == 1
    freed = []
    close = Servable.close

    def close_and_watch(servable):
        weakref.finalize(servable._session, lambda: freed.append(threading.current_thread().name))
        close(servable)

    monkeypatch.setattr(Servable, "close", close_and_watch)
    release(base, 2)
    eventually(lambda: freed == ["unload"])


def linger(client, path):
    inputs = {"path": np.array([str(path).encode()], object)}
    return predict(client.address, "tiny", inputs, signature="linger", timeout_seconds=60)


def test_a_corrupt_version_is_told_and_the_old_goes_on(serve, release, exported, base, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    whole = exported(2)
    half = base / "2"
    half.mkdir()
    shutil.copy(whole / "saved_model.pb", half)
    eventually(lambda: 2 in client.statuses("tiny") and client.statuses("tiny")[2].status.error_code)
    assert client.states("tiny") == {2: "END", 1: "AVAILABLE"}
    assert client.statuses("tiny")[2].status.error_message
    assert served_number(client) == 1
    # A copy that was only slow is served once it is whole.
    shutil.copytree(whole / "variables", half / "variables")
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})
    assert client.statuses("tiny")[2].status.error_code == 0
    assert served_number(client) == 2


def test_a_corrupt_version_is_tried_once_until_it_changes(serve, release, base, eventually, caplog):
    (base / "1").mkdir()
    (base / "1" / "saved_model.pb").write_bytes(b"not a protobuf")
    client = serve(ServedModel("tiny", base, All()))
    for number in (2, 3):  # each is found by a search of its own
        release(base, number)
        eventually(lambda number=number: client.states("tiny").get(number) == "AVAILABLE")
    assert client.states("tiny")[1] == "END"
    assert caplog.text.count("version 1 cannot be loaded") == 1


def test_what_a_killed_upload_left_is_no_version(serve, release, exported, base):
    """Also for a server that starts when it is there already."""
    release(base, 1)
    shutil.copytree(exported(2) / "variables", base / "2" / "variables")
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert served_number(client) == 1
    assert client.states("tiny") == {1: "AVAILABLE"}


def test_a_model_with_nothing_but_a_corrupt_version_says_so(serve, base):
    (base / "1").mkdir()
    (base / "1" / "saved_model.pb").write_bytes(b"not a protobuf")
    client = serve(ServedModel("tiny", base))
    with pytest.raises(KakeaiError, match=r"Version 1 in .* could not be loaded: "):
        client.server.wait_until_available("tiny", timeout_seconds=60)
    with pytest.raises(PredictError, match="could not be loaded"):
        served_number(client)


def test_warmup_is_replayed_before_a_version_is_available(serve, release, base):
    other = PredictionLog()
    other.classify_log.request.model_spec.name = "tiny"  # only Predict is served, so this one is passed over
    release(base, 1, warmup=[warmup_count(20), other, warmup_count(3)])
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert predict(client.address, "tiny", {"by": np.int64(1)}, signature="count")["calls"] == 24


def test_a_version_whose_warmup_fails_is_not_served(serve, release, base, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    wrong = warmup_count(1)
    wrong.predict_log.request.model_spec.signature_name = "sing"
    release(base, 2, warmup=[wrong])
    eventually(lambda: 2 in client.statuses("tiny") and client.statuses("tiny")[2].status.error_code)
    assert 'key "sing" not found' in client.statuses("tiny")[2].status.error_message
    assert served_number(client) == 1


def test_a_warmup_file_that_is_none_is_told(serve, release, base, eventually):
    def write(number, content):
        folder = release(base, number)
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(content)

    write(1, b"not a TFRecord at all, though long")
    with tf.io.TFRecordWriter(str(base / "record")) as writer:
        writer.write(b"no PredictionLog")
    write(2, (base / "record").read_bytes())
    client = serve(ServedModel("tiny", base, All()))
    with pytest.raises(KakeaiError, match=r"could not be loaded: The warm-up file .* is no TFRecord of"):
        client.server.wait_until_available("tiny", timeout_seconds=60)
    eventually(lambda: client.states("tiny") == {1: "END", 2: "END"})
    assert all("warm-up file" in s.status.error_message for s in client.statuses("tiny").values())


def test_state_is_a_versions_own(serve, release, base, eventually):
    """Two versions count apart, and a version that comes again begins anew."""
    for number in (1, 2):
        release(base, number)
    client = serve(ServedModel("tiny", base, Latest(2)))
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "AVAILABLE"})

    def count(number):
        by = {"by": np.int64(1)}
        return int(predict(client.address, "tiny", by, signature="count", version=number)["calls"])

    assert [count(1), count(1), count(2)] == [1, 2, 1]
    shutil.rmtree(base / "1")
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})
    release(base, 1)
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "AVAILABLE"})
    assert [count(1), count(2)] == [1, 2]


@pytest.mark.parametrize("name", ["back\\slash", "[a-z]", "what?*", 'it\'s {a} "store"', "掛け合い"])
def test_a_store_is_served_whatever_its_path(serve, release, tmp_path, name):
    base = tmp_path / name / "tiny"
    base.mkdir(parents=True)
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert served_number(client) == 1


def test_the_newest_going_brings_back_the_one_before(serve, release, base, eventually):
    for number in (1, 2):
        release(base, number)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    assert client.states("tiny") == {2: "AVAILABLE"}
    shutil.rmtree(base / "2")
    eventually(lambda: client.states("tiny") == {2: "END", 1: "AVAILABLE"})
    assert served_number(client) == 1


def test_a_store_that_cannot_be_read_leaves_what_is_served(serve, release, base, eventually, caplog):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    base.rename(base.parent / "away")
    eventually(lambda: "does not exist" in caplog.text)
    assert served_number(client) == 1
    assert caplog.text.count("does not exist") == 1  # said once, not at every look
    (base.parent / "away").rename(base)
    release(base, 2)
    eventually(lambda: client.states("tiny") == {2: "AVAILABLE", 1: "END"})
    assert served_number(client) == 2


@pytest.mark.parametrize(
    ("policy", "served"), [(Latest(), {3}), (Latest(2), {2, 3}), (All(), {1, 2, 3}), (Specific((1, 9)), {1})]
)
def test_policies(serve, release, base, eventually, policy, served):
    for number in (1, 2, 3):
        release(base, number)
    client = serve(ServedModel("tiny", base, policy))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    eventually(lambda: client.states("tiny") == dict.fromkeys(served, "AVAILABLE"))
    assert served_number(client) == max(served)


def test_no_polling_means_one_look(serve, release, base):
    release(base, 1)
    client = serve(ServedModel("tiny", base), poll_seconds=0)
    client.server.wait_until_available("tiny", timeout_seconds=60)
    release(base, 2)
    assert served_number(client) == 1
    assert client.states("tiny") == {1: "AVAILABLE"}


def test_status_of_what_is_not_there(serve, release, base):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)

    def refused(**spec):
        with pytest.raises(grpc.RpcError) as caught:
            client.models.GetModelStatus(
                GetModelStatusRequest(model_spec=spec) if spec else GetModelStatusRequest()
            )
        return caught.value.code(), caught.value.details()

    assert refused(name="foo") == (grpc.StatusCode.NOT_FOUND, "Could not find any versions of model foo")
    assert refused(name="tiny", version={"value": 4}) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 4 of model tiny",
    )
    assert refused() == (grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec")


def test_a_request_nobody_waits_for_any_more_is_not_run(serve, release, base, tmp_path, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    one = {"by": np.int64(1)}
    port = client.server.serve_metrics("/metrics")

    def metrics():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    with ThreadPoolExecutor(MAX_RUNS) as pool:
        slow = [pool.submit(linger, client, tmp_path / str(n)) for n in range(MAX_RUNS)]
        eventually(lambda: len(list(tmp_path.glob("*.arrived"))) == MAX_RUNS)
        with pytest.raises(PredictError, match="DEADLINE_EXCEEDED"):  # it stood in the queue
            predict(client.address, "tiny", one, signature="count", timeout_seconds=0.2)
        eventually(lambda: re.search("request_count.*(DEADLINE_EXCEEDED|CANCELLED)", metrics()))  # here, too
        for n in range(MAX_RUNS):
            (tmp_path / f"{n}.go").touch()
        assert all(request.result()["number"] == 1 for request in slow)
    assert predict(client.address, "tiny", one, signature="count")["calls"] == 1


def test_stopping_lets_a_request_end_within_the_grace(serve, release, base, tmp_path, eventually):
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(linger, client, tmp_path / "request")
        eventually((tmp_path / "request.arrived").exists)
        stopping = pool.submit(client.server.stop, 60)
        eventually(lambda: refuses(client))
        (tmp_path / "request.go").touch()
        assert slow.result()["number"] == 1
        stopping.result()


def refuses(client) -> bool:
    try:
        served_number(client)
    except PredictError as error:
        return error.code == grpc.StatusCode.UNAVAILABLE
    return False


def test_stopping_cancels_what_outlasts_the_grace_and_leaves_no_thread(
    serve, release, base, tmp_path, eventually
):
    before = set(threading.enumerate())
    release(base, 1)
    client = serve(ServedModel("tiny", base))
    client.server.wait_until_available("tiny", timeout_seconds=60)
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(linger, client, tmp_path / "request")
        eventually((tmp_path / "request.arrived").exists)
        client.server.stop(grace_seconds=0.1)
        with pytest.raises(PredictError):
            endless.result()
    client.channel.close()
    eventually(lambda: ours(before) == [])


def ours(before) -> list[str]:
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    return [name for name in names if name.startswith(("store-watcher", "request"))]
