"""A stand-in for the Kubeflow Pipelines API (v2beta1), on loopback.

Requests and answers are read and written by the models that KFP generates from its OpenAPI: what they do not
know, or refuse, is refused here as the API server does (google.rpc.Status, code 3). A pipeline must be one by
KFP's own protobuf messages, and its parameters those that it takes (backend/src/apiserver/template/v2_template.go,
`validatePipelineJobInputs`). The pods of a run are those that KFP's driver makes.
"""

import json
import threading
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import kfp_server_api
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from kubeflow_driver import Pod, is_of, pods

API = "/apis/v2beta1"
MODELS = kfp_server_api.ApiClient()


class Refusal(Exception):
    """An answer other than 200: HTTP status, google.rpc code, message."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


def as_model(content, name):
    """The model of a JSON object, which must be all there is in it."""
    try:
        made = MODELS.deserialize(SimpleNamespace(data=json.dumps(content)), name)
    except ValueError as error:
        raise Refusal(400, 3, str(error)) from None
    if MODELS.sanitize_for_serialization(made) != content:
        raise Refusal(400, 3, f"unknown field in {sorted(content)}")
    return made


class Kubeflow:
    """Its state, and what the API answers.

    Attributes:
        url: Its address.
        token: What a bearer must show; empty for nothing.
        fails_with: A status to answer everything with, or None.
        runs, schedules, experiments: By id, newest last.
        seen: Method, path and authorization of each request.
    """

    def __init__(self):
        self.token, self.fails_with, self.multi_user = "", None, False
        self.runs, self.schedules, self.experiments = {}, {}, {}
        self.seen = []
        self.url = ""
        self._now = datetime(2026, 11, 1, tzinfo=UTC)

    def answer(self, method: str, path: str, query: dict, body: dict | None) -> dict:
        routes: list[tuple[str, str, Callable]] = [
            ("GET", "healthz", lambda: {"multi_user": self.multi_user}),
            ("GET", "experiments", lambda: {"experiments": self._page(self.experiments, query)}),
            ("POST", "experiments", lambda: self._keep(self.experiments, "V2beta1Experiment", body)),
            ("GET", "recurringruns", lambda: {"recurringRuns": self._page(self.schedules, query)}),
            ("POST", "recurringruns", lambda: self._schedule(body)),
            ("GET", "runs", lambda: {"runs": self._page(self.runs, query)}),
            ("POST", "runs", lambda: self._run(body)),
        ]
        for verb, name, reply in routes:
            if (method, path) == (verb, f"{API}/{name}"):
                return reply()
        name, _, action = path.removeprefix(f"{API}/recurringruns/").partition(":")
        if name not in self.schedules:
            raise Refusal(404, 5, f"Recurring run {name} not found")
        schedule = self.schedules[name]
        if method == "POST" and action in ("enable", "disable"):
            schedule["status"] = f"{action}d".upper()
            return {}
        if method == "DELETE" and not action:
            del self.schedules[name]
            if query.get("propagation_policy") != ["ORPHAN"]:
                for run in self.runs.values():
                    if run.get("recurring_run_id") == name and run["state"] == "RUNNING":
                        run["state"] = "CANCELED"  # the schedule owns its workflows
            return {}
        raise Refusal(501, 12, "Method Not Allowed")

    def pods(self, run_id: str) -> dict[str, Pod]:
        """The pod of each stage of a run, if each of them comes to its turn."""
        run = self.runs[run_id]
        return pods(run["pipeline_spec"], run["runtime_config"].get("parameters", {}))

    def tick(self) -> list[str]:
        """Let the controller start what is due of each schedule, as it does at each time of the cron."""
        started = []
        for name, schedule in self.schedules.items():
            active = [
                run
                for run in self.runs.values()
                if run.get("recurring_run_id") == name and run["state"] in ("PENDING", "RUNNING")
            ]
            if schedule["status"] == "ENABLED" and len(active) < int(schedule["max_concurrency"]):
                copied = ("pipeline_spec", "runtime_config", "service_account", "experiment_id")
                body = {key: schedule[key] for key in copied if key in schedule}
                run = self._run(
                    {**body, "display_name": f"scheduled {len(self.runs)}", "recurring_run_id": name}
                )
                started.append(run["run_id"])
        return started

    def _run(self, body):
        run = as_model(body, "V2beta1Run")
        if not run.display_name:
            raise Refusal(400, 3, "The run name is empty. Please specify a valid name")
        for earlier in self.runs.values():
            if run.recurring_run_id and (earlier.get("recurring_run_id"), earlier["display_name"]) == (
                run.recurring_run_id,
                run.display_name,
            ):
                return earlier
        if run.recurring_run_id and run.recurring_run_id not in self.schedules:
            raise Refusal(400, 3, f"RecurringRunId doesn't exist: {run.recurring_run_id}")
        _check_pipeline(body)
        self._check_experiment(run.experiment_id)
        return self._keep(self.runs, "V2beta1Run", {**body, "state": "RUNNING"})

    def _schedule(self, body):
        schedule = as_model(body, "V2beta1RecurringRun")
        if not schedule.display_name:
            raise Refusal(400, 3, "Recurring run name is empty. Please specify a valid name")
        if not 1 <= int(schedule.max_concurrency) <= 10:
            raise Refusal(400, 3, "The max concurrency of the recurring run must be between 1 and 10")
        if len(schedule.trigger.cron_schedule.cron.split()) != 6:
            raise Refusal(400, 3, f"Schedule cron is not a valid cron: {schedule.trigger.cron_schedule.cron}")
        _check_pipeline(body)
        self._check_experiment(schedule.experiment_id)
        status = f"{schedule.mode}D"
        return self._keep(self.schedules, "V2beta1RecurringRun", {**body, "status": status})

    def _check_experiment(self, name):
        if name not in self.experiments:
            raise Refusal(404, 5, f"Experiment {name} not found")

    def _keep(self, shelf, model, content):
        as_model(content, model)
        kind = {"V2beta1Run": "run", "V2beta1RecurringRun": "recurring_run"}.get(model, "experiment")
        self._now += timedelta(minutes=1)
        made = {**content, f"{kind}_id": str(uuid.uuid4()), "created_at": self._now.isoformat()}
        as_model({**made, "created_at": made["created_at"]}, model)
        shelf[made[f"{kind}_id"]] = made
        return made

    def _page(self, shelf, query):
        if "namespace" in query and query["namespace"][0] and not self.multi_user:
            raise Refusal(400, 3, "In single-user mode, the namespace must be empty")
        found = list(shelf.values())
        if "experiment_id" in query:
            found = [each for each in found if each["experiment_id"] == query["experiment_id"][0]]
        if "filter" in query:
            chosen = as_model(json.loads(query["filter"][0]), "V2beta1Filter")
            for predicate in chosen.predicates:
                assert predicate.operation == "EQUALS"
                found = [each for each in found if each.get(predicate.key) == predicate.string_value]
        if query.get("sort_by") == ["created_at desc"]:
            found.reverse()
        return found[: int(query.get("page_size", ["20"])[0])]


def _check_pipeline(body):
    given = body["pipeline_spec"]
    try:
        spec = json_format.ParseDict(given["pipeline_spec"], pipeline_spec_pb2.PipelineSpec())
        platform = json_format.ParseDict(given["platform_spec"], pipeline_spec_pb2.PlatformSpec())
        for executor in platform.platforms["kubernetes"].deployment_spec.executors.values():
            json_format.ParseDict(
                json_format.MessageToDict(executor), kubernetes_executor_config_pb2.KubernetesExecutorConfig()
            )
    except (json_format.ParseError, KeyError) as error:
        raise Refusal(400, 3, f"invalid pipeline spec: {error}") from None
    inputs = spec.root.input_definitions.parameters
    parameters = body["runtime_config"].get("parameters", {})
    for name, value in parameters.items():
        if name not in inputs:
            raise Refusal(400, 3, f"parameter(s) provided are not required by pipeline: {name}")
        kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(inputs[name].parameter_type)
        if not is_of(kind, value):
            raise Refusal(400, 3, f"input parameter {name} requires type {kind}")
    for name, definition in inputs.items():
        if name not in parameters and not (definition.is_optional or definition.HasField("default_value")):
            raise Refusal(
                400,
                3,
                f"parameter {name} is not optional, yet has neither default value nor user provided value",
            )


@contextmanager
def running():
    """A stand-in that answers until the end of the `with` block."""
    kubeflow = Kubeflow()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            address = urlsplit(self.path)
            kubeflow.seen.append((self.command, address.path, self.headers.get("authorization")))
            try:
                if kubeflow.fails_with:
                    raise Refusal(kubeflow.fails_with, 14, "the database is away")
                if kubeflow.token and self.headers.get("authorization") != f"Bearer {kubeflow.token}":
                    raise Refusal(401, 16, "Request header error: there is no user identity header")
                status, content = (
                    200,
                    kubeflow.answer(self.command, address.path, parse_qs(address.query), body),
                )
            except Refusal as refusal:
                message = {
                    "error": str(refusal),
                    "code": refusal.code,
                    "message": str(refusal),
                    "details": [],
                }
                status, content = refusal.status, message
            # As the API server writes protobuf: what is empty is left out.
            encoded = json.dumps({key: value for key, value in content.items() if value}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    kubeflow.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kubeflow
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
