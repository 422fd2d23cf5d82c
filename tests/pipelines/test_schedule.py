"""Runs and schedules on Kubeflow, through the command, against a stand-in of its API."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import typer
from kubeflow_stand_in import running

from cli.main import app
from cli.progress import console
from kakeai.errors import ExitStatus, KakeaiError, ServiceError
from pipelines.endpoint import Endpoint
from pipelines.schedule import run_now, six_fields

PLACES = ["--corpus", "gs://b/corpus", "--store", "gs://b/store", "--work", "gs://b/work"]


@pytest.fixture
def kubeflow():
    with running() as stand_in:
        yield stand_in


def call(kubeflow, *arguments):
    """Run the command in this process; return what it printed."""
    with console.capture() as said:
        app(["pipeline", *arguments, "--endpoint", kubeflow.url], standalone_mode=False)
    return said.get()


@pytest.fixture
def scheduled(kubeflow):
    """A stand-in with one schedule, and the schedule."""
    call(kubeflow, "schedule", "create", "--cron", "0 3 * * 1", "--min-new", "20", "--seed", "7", *PLACES)
    (schedule,) = kubeflow.schedules.values()
    return kubeflow, schedule


def test_submit_starts_one_run_with_the_parameters_given(kubeflow):
    said = call(kubeflow, "submit", "--num-training-steps", "20000", "--warm-start", "champion", *PLACES)
    (run,) = kubeflow.runs.values()
    assert run["run_id"] in said
    parameters = run["runtime_config"]["parameters"]
    assert (parameters["corpus"], parameters["num_training_steps"]) == ("gs://b/corpus", 20000)
    assert (parameters["warm_start"], parameters["gpus"]) == ("champion", "1")
    assert kubeflow.pods(run["run_id"])["train"].limits["nvidia.com/gpu"] == "1"
    assert parameters["training_nodes"] == {"cloud.google.com/compute-class": "kakeai-training"}
    assert run["service_account"] == "kakeai-pipeline"


def test_without_gpus_training_may_run_anywhere(kubeflow):
    call(kubeflow, "submit", "--gpus", "0", *PLACES)
    call(kubeflow, "submit", "--gpus", "2", "--training-nodes", "pool=big", *PLACES)
    nowhere, big = (kubeflow.pods(run)["train"] for run in kubeflow.runs)
    assert (nowhere.node_selector, nowhere.tolerations, nowhere.limits["nvidia.com/gpu"]) == ({}, [], "0")
    assert (big.node_selector, big.limits["nvidia.com/gpu"]) == ({"pool": "big"}, "2")


def test_a_run_of_a_schedule_has_the_gpus_of_the_schedule(kubeflow):
    call(kubeflow, "schedule", "create", "--cron", "0 3 * * 1", "--gpus", "2", *PLACES)
    (run,) = kubeflow.tick()
    assert kubeflow.pods(run)["train"].limits["nvidia.com/gpu"] == "2"


@pytest.mark.parametrize("gpus", ["two", "0.5", "-1"])
def test_a_number_of_gpus_that_is_none_is_refused_before_anything_is_submitted(kubeflow, gpus):
    with pytest.raises(typer.BadParameter, match=r"integer|greater"):
        call(kubeflow, "submit", "--gpus", gpus, *PLACES)
    assert not kubeflow.runs


def test_the_image_is_that_of_the_registry(kubeflow):
    call(kubeflow, "submit", "--image", "registry/pipeline:1.2.3", *PLACES)
    (run,) = kubeflow.runs.values()
    executors = run["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {"registry/pipeline:1.2.3"}


def test_a_schedule_has_one_run_at_a_time_and_makes_up_for_none(scheduled):
    kubeflow, schedule = scheduled
    assert schedule["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert (schedule["max_concurrency"], schedule["no_catchup"]) == ("1", True)
    assert schedule["runtime_config"]["parameters"]["min_new"] == 20
    assert len(kubeflow.tick()) == 1
    assert kubeflow.tick() == []


def test_run_now_is_the_very_run_that_the_schedule_makes(scheduled):
    kubeflow, _ = scheduled
    (by_schedule,) = kubeflow.tick()
    kubeflow.runs[by_schedule]["state"] = "SUCCEEDED"
    call(kubeflow, "schedule", "run-now")
    first, second = kubeflow.runs.values()
    for part in ("pipeline_spec", "runtime_config", "service_account", "recurring_run_id", "experiment_id"):
        assert first[part] == second[part]
    assert kubeflow.tick() == []  # the run by hand is the one that it may have


def test_run_now_waits_its_turn(scheduled):
    kubeflow, _ = scheduled
    kubeflow.tick()
    with pytest.raises(KakeaiError, match="one run at a time"):
        run_now(Endpoint(kubeflow.url), "kakeai")
    assert len(kubeflow.runs) == 1


def test_pause_and_resume(scheduled):
    kubeflow, _ = scheduled
    call(kubeflow, "schedule", "pause")
    assert kubeflow.tick() == []
    assert re.search(r"kakeai +0 0 3 \* \* 1 +paused", call(kubeflow, "schedule", "show"))
    call(kubeflow, "schedule", "resume")
    assert len(kubeflow.tick()) == 1


def test_show_tells_parameters_and_runs(scheduled):
    kubeflow, _ = scheduled
    kubeflow.tick()
    shown = call(kubeflow, "schedule", "show")
    assert "corpus = gs://b/corpus" in shown
    assert "seed = 7" in shown
    assert re.search(r"2026-11-01 \d\d:\d\d +RUNNING +scheduled 0", shown)


def test_delete_leaves_a_run_that_is_in_progress(scheduled):
    kubeflow, _ = scheduled
    (run,) = kubeflow.tick()
    call(kubeflow, "schedule", "delete")
    assert not kubeflow.schedules
    assert kubeflow.runs[run]["state"] == "RUNNING"
    assert "no schedules" in call(kubeflow, "schedule", "show")


def test_names_that_are_taken_or_unknown(scheduled):
    kubeflow, _ = scheduled
    with pytest.raises(KakeaiError, match="there is a schedule kakeai already"):
        call(kubeflow, "schedule", "create", "--cron", "0 3 * * 1", *PLACES)
    with pytest.raises(KakeaiError, match=r"no schedule nightly .*; there: kakeai"):
        call(kubeflow, "schedule", "pause", "--name", "nightly")


def test_a_cron_of_five_fields_gets_its_seconds():
    assert six_fields("0 3 * * 1") == "0 0 3 * * 1"
    assert six_fields("30 0 3 * * 1-5") == "30 0 3 * * 1-5"
    for bad in ("weekly", "0 3 * *", "0 3 * * 1 2 3", "0 3 * * ; rm"):
        with pytest.raises(KakeaiError, match="--cron"):
            six_fields(bad)


def test_pods_cannot_reach_a_folder_of_this_machine(kubeflow):
    with pytest.raises(KakeaiError, match=r"--corpus my-midi: .*gs://"):
        call(kubeflow, "submit", "--corpus", "my-midi", *PLACES[2:])
    assert not kubeflow.runs


def test_a_token_is_sent_and_a_wrong_one_told(kubeflow):
    kubeflow.token = "secret"
    Endpoint(kubeflow.url, token="secret")
    assert kubeflow.seen[-1][2] == "Bearer secret"
    with pytest.raises(ServiceError, match=r"does not let you in \(401\).*--token"):
        Endpoint(kubeflow.url)


def test_several_users_need_a_namespace(kubeflow):
    kubeflow.multi_user = True
    with pytest.raises(KakeaiError, match="--namespace"):
        Endpoint(kubeflow.url)
    call(kubeflow, "submit", *PLACES, "--namespace", "alice")
    (experiment,) = kubeflow.experiments.values()
    assert experiment["namespace"] == "alice"


def test_what_the_api_refuses_or_cannot_do_is_told_in_its_words(kubeflow):
    endpoint = Endpoint(kubeflow.url)
    kubeflow.fails_with = 503
    with pytest.raises(ServiceError, match=r"failed \(503\): the database is away"):
        run_now(endpoint, "kakeai")


def test_no_address_outside_a_cluster(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KakeaiError, match="--endpoint"):
        Endpoint()


def test_nobody_at_the_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServiceError, match=r"nothing answers .* at http://127\.0\.0\.1.*refused") as told:
        Endpoint(address)
    assert told.value.exit_status == ExitStatus.SERVICE
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (200, "text/html", b"<html>log in</html>", "login page"),
        (404, "text/html", b"<html>not here</html>", "is not a Kubeflow Pipelines API"),
        (200, "application/json", b'["no", "health"]', "not as Kubeflow Pipelines"),
        (200, "application/json", b"\xff\xfe", "not as Kubeflow Pipelines"),
    ],
)
def test_something_else_at_the_address(status, kind, body, said):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            with pytest.raises(ServiceError, match=said):
                Endpoint(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
