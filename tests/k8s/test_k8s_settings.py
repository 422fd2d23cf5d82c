"""What the manifests tell the programs is what the programs read."""

import re
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cli.kubeflow import SERVICE_ACCOUNT
from pipelines.pods import GPU_NODES, WEBHOOK_SECRET
from serving.gateway.app import create_app
from serving.gateway.operations import operations_app
from serving.gateway.settings import Settings, variable
from serving.model_server.batching_parameters import read_batching_parameters
from serving.model_server.config import Specific, read_config_file
from serving.model_server.flags import WITHOUT_EFFECT, parser

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
# Of tensorflow_model_server 2.20.0 (tensorflow/serving, tensorflow_serving/model_servers/main.cc).
TF_SERVING_FLAGS = set(Path(__file__).with_name("tf_serving_flags.txt").read_text().split())

# Its monitoring file, which tensorflow-serving-api leaves out: 2.20.0's config/monitoring_config.proto.
MESSAGES = """
name: "monitoring_config.proto" syntax: "proto3"
message_type { name: "PrometheusConfig"
  field { name: "enable" number: 1 type: TYPE_BOOL } field { name: "path" number: 2 type: TYPE_STRING } }
message_type { name: "MonitoringConfig"
  field { name: "prometheus_config" number: 1 type: TYPE_MESSAGE type_name: ".PrometheusConfig" } }
"""
POOL = descriptor_pool.DescriptorPool()
POOL.Add(text_format.Parse(MESSAGES, descriptor_pb2.FileDescriptorProto()))
MonitoringConfig = message_factory.GetMessageClass(POOL.FindMessageTypeByName("MonitoringConfig"))


def gateway_of(manifests):
    (pod,) = [pod for labels, pod in manifests.pods() if labels["app.kubernetes.io/name"] == "gateway"]
    return pod["containers"][0], manifests.get("ConfigMap", "gateway")["data"]


def model_server_of(manifests):
    (pod,) = [pod for labels, pod in manifests.pods() if labels["app.kubernetes.io/name"] == "model-server"]
    return pod["containers"][0]


def test_the_gateway_reads_every_variable_that_it_is_given(serving, monkeypatch):
    container, environment = gateway_of(serving)
    assert set(environment) <= {variable(name) for name in Settings.model_fields}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.listens_everywhere
    assert container["ports"] == [
        {"name": "http", "containerPort": settings.port},
        {"name": "operations", "containerPort": settings.operations_port},
    ]


def test_the_gateway_asks_the_model_server_at_its_service_and_port(serving):
    _, environment = gateway_of(serving)
    name, _, port = environment["KAKEAI_MODEL_SERVER"].partition(":")
    (service_port,) = serving.get("Service", name)["spec"]["ports"]
    assert service_port["port"] == int(port)
    ports = {port["name"]: port["containerPort"] for port in model_server_of(serving)["ports"]}
    assert ports[service_port["targetPort"]] == int(port)  # a headless Service translates no port
    arguments = model_server_of(serving)["args"]
    assert f"--port={port}" in arguments


def test_the_gateway_has_the_paths_that_are_asked_for_at_their_ports(serving):
    container, environment = gateway_of(serving)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    for monitor in serving.of("PodMonitor", "PodMonitoring"):
        if monitor["metadata"]["name"] == "gateway":
            asked += monitor["spec"].get("podMetricsEndpoints", monitor["spec"].get("endpoints"))
    for policy in serving.of("HealthCheckPolicy"):
        check = policy["spec"]["default"]["config"]["httpHealthCheck"]
        asked.append({"path": check["requestPath"], "port": check["port"]})
    settings = Settings(operations_port=int(environment["KAKEAI_OPERATIONS_PORT"]))
    app = create_app(settings)
    apps = {settings.port: app, settings.operations_port: operations_app(app, log_requests=False)}
    for where in asked:
        assert where["path"] in apps[ports.get(where["port"], where["port"])].openapi()["paths"]


def test_the_public_service_leads_to_no_metrics_and_no_readiness(serving):
    (port,) = serving.get("Service", "gateway")["spec"]["ports"]
    assert port["targetPort"] == "http"
    _, environment = gateway_of(serving)
    app = create_app(Settings(operations_port=int(environment["KAKEAI_OPERATIONS_PORT"])))
    assert not {"/metrics", "/readyz"} & app.openapi()["paths"].keys()


def test_the_bucket_or_folder_of_cards_is_that_of_models(serving, tmp_path):
    _, environment = gateway_of(serving)
    (model,) = models(serving, tmp_path)
    store = environment.get("KAKEAI_STORE", "/models")  # the base has no cards
    assert model.base_path == f"{store}/{environment['KAKEAI_MODEL']}"


def test_traces_may_leave_for_where_they_are_sent(render):
    _, environment = gateway_of(render("base + traces"))
    host, _, port = environment["KAKEAI_TRACES"].removeprefix("http://").partition(":")
    policy = render("base + traces").get("NetworkPolicy", "gateway-sends-traces")["spec"]
    (rule,) = policy["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": int(port)}]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": host.partition(".")[2]}


def test_behind_googles_balancer_players_are_told_apart(render):
    gke = render("overlays/gke")
    _, environment = gateway_of(gke)
    *ranges, address = environment["KAKEAI_TRUSTED_PROXIES"].split(",")
    (rule,) = gke.get("NetworkPolicy", "players-to-gateway")["spec"]["ingress"]
    assert [peer["ipBlock"]["cidr"] for peer in rule["from"]] == ranges
    # X-Forwarded-For as Google's balancer writes it; what a player wrote there himself comes first.
    forwarded = f"198.51.100.1, 192.0.2.7, {address}"
    trusted = ProxyHeadersMiddleware(None, environment["KAKEAI_TRUSTED_PROXIES"]).trusted_hosts  # type: ignore[arg-type]
    assert "35.191.4.2" in trusted
    assert trusted.get_trusted_client_address(forwarded)[0] == "192.0.2.7"


def test_the_images_settings_and_ports_are_those_of_the_manifests(render):
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    own = set(re.findall(r"KAKEAI_\w+(?==)", stages["gateway"]))
    assert own
    assert own <= {variable(name) for name in Settings.model_fields}
    for name, box in (
        ("gateway", gateway_of(render("base"))[0]),
        ("model-server", model_server_of(render("base"))),
    ):
        exposed = set(map(int, re.findall(r"^EXPOSE (\d+)", stages[name], re.MULTILINE)))
        assert exposed
        assert exposed <= {port["containerPort"] for port in box["ports"]}
        (user,) = re.findall(r"^USER (\d+):", stages["runtime"], re.MULTILINE)
        for _, pod in render("base").pods():
            assert pod["securityContext"]["runAsUser"] == int(user)
    assert set(re.findall(r"^ENV (KAKEAI_\w+)=", stages["pipeline"], re.MULTILINE)) == {"KAKEAI_REVISION"}


def test_kubeflow_has_what_the_pipeline_asks_for(render):
    kubeflow = render("kubeflow/gke")
    assert kubeflow.get("ServiceAccount", SERVICE_ACCOUNT)
    (nodes,) = kubeflow.of("ComputeClass")
    assert {"cloud.google.com/compute-class": nodes["metadata"]["name"]} == GPU_NODES
    assert f"create secret generic {WEBHOOK_SECRET} --from-literal=url=" in OPERATIONS


def test_tf_serving_knows_every_flag(serving):
    container = model_server_of(serving)
    flags = {re.fullmatch(r"--(\w+)=\S+", argument)[1] for argument in container["args"]}
    if container["image"].startswith("tensorflow/serving:"):
        assert flags <= TF_SERVING_FLAGS
        assert container["command"] == ["/usr/bin/tensorflow_model_server"]
    else:
        assert parser().parse_args(container["args"]).host == "0.0.0.0"
        assert not flags & WITHOUT_EFFECT.keys()
        assert container["command"] == ["python", "-m", "serving.model_server"]


def test_tf_serving_is_probed_for_the_model_it_serves(serving, tmp_path):
    container = model_server_of(serving)
    names = [model.name for model in models(serving, tmp_path)]
    _, environment = gateway_of(serving)
    assert environment["KAKEAI_MODEL"] in names
    if "httpGet" in container["readinessProbe"]:
        assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{environment['KAKEAI_MODEL']}"
        (port,) = [port["containerPort"] for port in container["ports"] if port["name"] == "http"]
        assert f"--rest_api_port={port}" in container["args"]


def test_prometheus_asks_for_the_path_that_tf_serving_is_told(render):
    told = text_format.Parse(
        render("base").get("ConfigMap", "model-server")["data"]["monitoring.config"], MonitoringConfig()
    ).prometheus_config
    assert told.enable
    for name in ("base + monitoring", "overlays/gke"):
        (monitor,) = [
            m
            for m in render(name).of("PodMonitor", "PodMonitoring")
            if m["metadata"]["name"] == "model-server"
        ]
        (endpoint,) = monitor["spec"].get("podMetricsEndpoints", monitor["spec"].get("endpoints"))
        assert endpoint["path"] == told.path


def test_the_batching_file_fits_the_container(serving, tmp_path):
    file = tmp_path / "batching.config"
    file.write_text(serving.get("ConfigMap", "model-server")["data"]["batching.config"])
    batching = read_batching_parameters(file)
    assert batching.pad_variable_length_inputs  # or melodies of two lengths would never share a batch
    assert batching.num_batch_threads == int(model_server_of(serving)["resources"]["limits"]["cpu"])
    assert batching.batch_timeout_micros < 10_000


def test_the_canary_has_both_labels_on_versions_that_are_served(render, tmp_path):
    (model,) = models(render("base + canary"), tmp_path)
    assert model.version_labels.keys() == {"stable", "canary"}
    assert isinstance(model.policy, Specific)
    assert set(model.version_labels.values()) == set(model.policy.versions)
    assert "--allow_version_labels_for_unavailable_models=true" in model_server_of(render("base"))["args"]


def models(manifests, folder: Path):
    """The models of models.config, as the model server reads them."""
    path = folder / "models.config"
    path.write_text(manifests.get("ConfigMap", "models")["data"]["models.config"])
    return read_config_file(path)
