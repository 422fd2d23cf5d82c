"""The whole way in containers: the compiled pipeline's stages, then a session with the model they released."""

import http.client
import json
import subprocess
import time
import urllib.request
import uuid
import warnings

import httpx
import pytest
from kfp import components, local
from websockets.sync.client import connect

from cli.oneills import oneills
from kakeai.running.outcome import RUN

pytestmark = [pytest.mark.images, pytest.mark.timeout(900)]

READY_SECONDS = 120
STEPS = 100  # enough for the evaluation to let it through
PHRASE = [
    {"pitch": pitch, "start": 0.25 * i, "end": 0.25 * i + 0.2, "velocity": 90}
    for i, pitch in enumerate([60, 62, 64, 65, 67, 65, 64, 62])
]


@pytest.fixture(scope="module")
def released(engine, engine_socket, kakeai, tmp_path_factory):
    """A folder with a model store in it, filled by the compiled pipeline in containers without a network."""
    # The stages' user is nobody on this machine, so all that they share lies in a folder open to anybody.
    root = tmp_path_factory.mktemp("containers") / "shared"
    root.mkdir()
    root.chmod(0o777)
    for folder in root.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    oneills(root / "corpus", 60)
    compiled = root / "kakeai.yaml"
    ran = kakeai("pipeline", "compile", str(compiled), KAKEAI_PIPELINE_IMAGE=engine.image("pipeline"))
    assert ran.returncode == 0, ran.stderr
    pipeline = components.load_component_from_file(str(compiled))
    local.init(
        local.DockerRunner(
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            network_mode="none",
            tmpfs={"/tmp": "mode=1777"},
            environment={RUN: "first"},
        ),
        pipeline_root=str(root),
    )
    begun = time.monotonic()
    with warnings.catch_warnings():  # what a pod may use says nothing to KFP's local runner
        warnings.filterwarnings("ignore", ".*have no effect in the current local runner", UserWarning)
        pipeline(
            corpus=str(root / "corpus"),
            store=str(root / "store"),
            work=str(root / "work"),
            num_shards=2,
            hparams="batch_size=16,rnn_layer_sizes=[16],learning_rate=0.01",
            num_training_steps=STEPS,
            gpus="0",
        )
    outcomes = [outcome.read_text() for outcome in (root / "work/outcomes").iterdir()]
    assert (root / "store/kakeai/1").is_dir(), outcomes
    print(f"the pipeline in containers: {time.monotonic() - begun:.0f} s")
    return root


@pytest.fixture(scope="module")
def gateway_url(engine, released, render):
    """A gateway's address, a model server behind it, each in a container with what the manifests give it."""
    manifests = render("base + own-model-server")
    (server,) = (
        pod for labels, pod in manifests.pods() if labels["app.kubernetes.io/name"] == "model-server"
    )
    for name in ("models", "model-server"):
        files = manifests.get("ConfigMap", name)["data"]
        (released / "etc" / name).mkdir(parents=True)
        for file, content in files.items():
            (released / "etc" / name / file).write_text(content)
    settings = {**manifests.get("ConfigMap", "gateway")["data"], "KAKEAI_STORE": "/models"}
    network = f"kakeai-{uuid.uuid4().hex[:8]}"
    engine("network", "create", network)
    try:
        with (
            engine.running(
                "model-server",
                *("--network", network, "--network-alias=model-server", "--memory=1g"),
                *("--volume", f"{released}/store:/models:ro", "--volume", f"{released}/etc:/etc/kakeai:ro"),
                *("--entrypoint", server["containers"][0]["command"][0]),
                arguments=(*server["containers"][0]["command"][1:], *server["containers"][0]["args"]),
            ) as model_server,
            engine.running(
                "gateway",
                *("--network", network, "--publish=127.0.0.1::8080", "--memory=256m"),
                *("--volume", f"{released}/store:/models:ro"),
                *(f"--env={name}={value}" for name, value in settings.items()),
            ) as gateway,
        ):
            port = engine("port", gateway, "8080").rpartition(":")[2]
            wait_until_ready(f"http://127.0.0.1:{port}", engine, model_server)
            yield f"http://127.0.0.1:{port}"
            for container in (model_server, gateway):
                print(engine("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", container))
    finally:
        engine("network", "rm", "--force", network)


def wait_until_ready(url, engine, model_server):
    deadline = time.monotonic() + READY_SECONDS
    while True:
        assert time.monotonic() < deadline, engine("logs", model_server)
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)


def test_artifacts_passed_between_the_stages_containers(released):
    card = json.loads((released / "store/kakeai/1/assets.extra/kakeai.json").read_text())
    assert card["corpus"]["num_files"] == 60
    assert card["trained_steps"] == STEPS
    assert card["revision"] != "unknown"  # the image knows it, where there is no git
    assert (released / "store/kakeai/1/saved_model.pb").is_file()


def test_both_are_healthy_by_their_own_measure(engine, gateway_url):
    for image in ("gateway", "model-server"):
        (container,) = engine("ps", "--quiet", "--filter", f"ancestor={engine.image(image)}").split()
        (inspected,) = json.loads(engine("image", "inspect", engine.image(image)))
        check = inspected.get("Healthcheck") or inspected["Config"]["Healthcheck"]
        assert check["Test"][0] == "CMD"
        engine("exec", container, *check["Test"][1:])


def test_a_phrase_is_answered_over_http(gateway_url):
    request = {"notes": PHRASE, "qpm": 120, "steps": 32, "seed": 1}
    answers = [httpx.post(f"{gateway_url}/v1/generate", json=request, timeout=30).json() for _ in range(2)]
    assert answers[0] == answers[1]
    (answer,) = answers[0]["answers"]
    assert answer["take"]["version"] == 1
    (model,) = httpx.get(f"{gateway_url}/v1/models").json()["models"]
    assert model["card"]["trained_steps"] == STEPS


def test_a_session_is_played_over_a_websocket(gateway_url):
    with connect(gateway_url.replace("http", "ws") + "/v1/session") as session:
        session.send(json.dumps({"type": "start", "qpm": 120, "beats_per_bar": 4, "history": []}))
        assert json.loads(session.recv(30))["type"] == "ready"
        for turn in range(4):
            call = {"type": "call", "turn": turn, "bars": 1, "answer_bars": 1, "notes": PHRASE, "seed": turn}
            session.send(json.dumps({**call, "temperature": 1.0}))
            answer = json.loads(session.recv(30))
            assert (answer["type"], answer["turn"]) == ("answer", turn)


def test_the_page_is_served(gateway_url):
    page = httpx.get(gateway_url)
    assert page.status_code == 200
    assert "<title>" in page.text


def test_the_gateway_drains_and_ends_well(engine):
    with engine.running("gateway", "--env=KAKEAI_DRAIN_SECONDS=1") as gateway:
        while "listens" not in engine("logs", gateway) + _errors(engine, gateway):
            time.sleep(0.1)
        engine("stop", "--time=20", gateway)
        (state,) = json.loads(engine("inspect", gateway))
        assert state["State"]["ExitCode"] == 0


def _errors(engine, container) -> str:
    ran = subprocess.run([engine.command, "logs", container], capture_output=True, text=True, check=False)
    return ran.stderr
