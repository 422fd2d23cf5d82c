"""What a webhook is told of a run, and what a bad webhook does to it: nothing."""

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kakeai.errors import ExitStatus
from kakeai.running.outcome import RUN, Outcome, keep_report, read_outcome, write_outcome
from kakeai.stages import notify
from kakeai.stages.notify import message, post

RELEASED = Outcome(
    "released", "It is better.", "release", "kakeai", 7, {"gain": 0.1}, "gs://b/work/reports/r.html"
)


@contextmanager
def webhook(*answers):
    """A webhook that answers with each status in turn, and what it was told."""
    told, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            told.append((self.headers["content-type"], json.loads(body)))
            status = left.pop(0)
            if status is None:  # no HTTP
                self.wfile.write(b"hello\r\n\r\n")
                return
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/secret", told
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(notify, "WAIT_SECONDS", 0.0)


def test_a_release_is_told_with_its_figures_and_a_link():
    told = message(RELEASED, "COMPLETE", "r1")
    assert (told["outcome"], told["version"], told["figures"]) == ("released", 7, {"gain": 0.1})
    assert told["report"] == "https://storage.cloud.google.com/b/work/reports/r.html"
    assert told["text"] == "Kakeai, kakeai version 7: released. It is better."
    assert (told["run"], told["state"]) == ("r1", "COMPLETE")


def test_a_run_of_which_no_stage_said_anything_has_failed():
    told = message(None, "RUNNING", "r1")
    assert told["outcome"] == "failed"
    assert "RUNNING" in told["sentence"]


def test_the_webhook_gets_json_and_its_secret_stays_one():
    with webhook(200) as (url, told):
        said = post(url, message(RELEASED, "COMPLETE", "r1"))
    ((kind, content),) = told
    assert kind == "application/json"
    assert content == message(RELEASED, "COMPLETE", "r1")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("answers", "asked"),
    [((503, 429, 200), 3), ((503, 503, 503), 3), ((404,), 1), ((None, 200), 2)],
)
def test_what_may_pass_is_tried_again_three_times_at_most(answers, asked):
    with webhook(*answers) as (url, told):
        said = post(url, {})
    assert len(told) == asked
    assert ("was told (200)" in said) == (answers[-1] == 200)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://", "http://[", "ftp://nowhere.invalid/x", "http://a b/"]
)
def test_a_url_that_is_none_is_a_sentence(url):
    said = post(url, {})
    assert said.startswith("the webhook was not told")


def test_nobody_at_the_webhook_is_a_sentence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "not told" in post(f"http://127.0.0.1:{port}/secret", {})


def test_outcomes_outlast_the_run_in_folders_and_buckets(tmp_path, monkeypatch):
    write_outcome(str(tmp_path), RELEASED)
    assert not list(tmp_path.iterdir())  # outside a run there is nobody to tell
    monkeypatch.setenv(RUN, "r1")
    assert read_outcome(str(tmp_path)) is None
    write_outcome(str(tmp_path), RELEASED)
    assert read_outcome(str(tmp_path)) == RELEASED
    assert keep_report(str(tmp_path), b"<html>") == str(tmp_path / "reports" / "r1.html")
    monkeypatch.setenv(RUN, "r2")
    assert read_outcome(str(tmp_path)) is None


def test_a_stage_that_refuses_its_input_says_so_to_the_run(tmp_path):
    program = (
        "from kakeai.running.stage import stage\nfrom kakeai.errors import ServiceError\n"
        f"with stage('survey', {str(tmp_path)!r}):\n    raise ServiceError('no bucket')"
    )
    ran = subprocess.run([sys.executable, "-c", program], env={RUN: "r1"}, check=False)
    assert ran.returncode == ExitStatus.SERVICE
    (written,) = tmp_path.glob("outcomes/r1.json")
    outcome = json.loads(written.read_text())
    assert (outcome["outcome"], outcome["stage"], outcome["sentence"]) == ("failed", "survey", "no bucket")
