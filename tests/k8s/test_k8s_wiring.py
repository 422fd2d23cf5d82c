"""Whatever names something else in the manifests names something that is there."""

import pytest


def selects(selector: dict, labels: dict[str, str]) -> bool:
    """Whether a label selector, or the plain labels of a Service's, takes these labels."""
    if not selector.keys() & {"matchLabels", "matchExpressions"}:
        selector = {"matchLabels": selector}
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def ports_of(pod: dict) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for box in pod["containers"] for port in box.get("ports", [])}


def test_every_service_finds_pods_and_their_port(manifests):
    for service in manifests.of("Service"):
        found = [pod for labels, pod in manifests.pods() if selects(service["spec"]["selector"], labels)]
        assert len(found) == 1, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports_of(found[0])


def test_every_workload_selects_its_own_pods(manifests):
    for workload in manifests.of("Deployment"):
        assert selects(workload["spec"]["selector"], workload["spec"]["template"]["metadata"]["labels"])


def test_budgets_and_spreads_select_pods(manifests):
    for budget in manifests.of("PodDisruptionBudget"):
        assert any(selects(budget["spec"]["selector"], labels) for labels, _ in manifests.pods())
    for labels, pod in manifests.pods():
        for spread in pod["topologySpreadConstraints"]:
            assert selects(spread["labelSelector"], labels)


def test_every_autoscaler_scales_something(manifests):
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        workload = manifests.get(target["kind"], target["name"])
        assert "replicas" not in workload["spec"]  # or every apply would undo what the autoscaler did


def test_every_config_map_and_key_that_a_pod_uses_is_there(manifests):
    names = {thing["metadata"]["name"]: thing["data"] for thing in manifests.of("ConfigMap")}
    for _, pod in manifests.pods():
        files = {}  # the folder of each mounted ConfigMap, and what is in it
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in pod["containers"]:
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in names
            for mount in container["volumeMounts"]:
                volume = volumes[mount["name"]]
                if "configMap" in volume:
                    files[mount["mountPath"]] = names[volume["configMap"]["name"]]
            for argument in container.get("args", []):
                flag, _, value = argument.partition("=")
                if flag.endswith("_file"):
                    folder, _, name = value.rpartition("/")
                    assert name in files[folder], argument
        assert {mount["name"] for box in pod["containers"] for mount in box["volumeMounts"]} == volumes.keys()


def test_every_claim_that_a_pod_uses_is_there(manifests):
    claims = {claim["metadata"]["name"] for claim in manifests.of("PersistentVolumeClaim")}
    used = {
        volume["persistentVolumeClaim"]["claimName"]
        for _, pod in manifests.pods()
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert used == claims


# Namespaces of others that the policies name: Kubernetes', the operator's and Google's own.
OTHERS = {"kube-system", "monitoring", "gmp-system", "gke-gmp-system"}


def test_every_network_policy_selects_something(manifests):
    pods = manifests.pods()
    for policy in manifests.of("NetworkPolicy"):
        subjects = [pod for labels, pod in pods if selects(policy["spec"]["podSelector"], labels)]
        assert subjects, policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress", []):
            named = {port["port"] for port in rule["ports"] if isinstance(port["port"], str)}
            # A stand-in without figures has no port to read them at.
            assert any(named <= ports_of(pod).keys() for pod in subjects)
            _check_peers(rule.get("from", []), pods)
        for rule in policy["spec"].get("egress", []):
            _check_peers(rule["to"], pods)
            for peer in rule["to"]:
                if set(peer) == {"podSelector"}:
                    targets = [pod for labels, pod in pods if selects(peer["podSelector"], labels)]
                    assert all(port["port"] in ports_of(pod) for port in rule["ports"] for pod in targets)


def _check_peers(peers: list[dict], pods: list) -> None:
    for peer in peers:
        if "namespaceSelector" in peer:
            labels = peer["namespaceSelector"]
            if "matchLabels" in labels and "kakeai/ingress" in labels["matchLabels"]:
                continue  # docs/operations.md has its reader set this label
            values = [value for rule in labels.get("matchExpressions", []) for value in rule["values"]]
            values += labels.get("matchLabels", {}).values()
            assert set(values) <= OTHERS
        elif "podSelector" in peer:
            assert any(selects(peer["podSelector"], labels) for labels, _ in pods)
        else:
            assert peer["ipBlock"]["cidr"]


@pytest.mark.parametrize("name", ["base", "overlays/local", "overlays/gke"])
def test_what_no_policy_allows_is_denied(render, name):
    deny = render(name).get("NetworkPolicy", "deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_names_are_found_whatever_the_cluster_finds_them_with(render):
    answers = set()
    for policy in render("overlays/gke").of("NetworkPolicy"):
        if policy["spec"]["podSelector"] == {}:
            for rule in policy["spec"].get("egress", []):
                assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
                    ("UDP", 53),
                    ("TCP", 53),
                }
                answers |= {peer.get("ipBlock", {}).get("cidr", "kube-dns") for peer in rule["to"]}
    # The cluster's own, NodeLocal DNSCache (Autopilot has it) and Cloud DNS for GKE.
    assert answers == {"kube-dns", "169.254.20.10/32", "169.254.169.254/32"}


def test_prometheus_finds_the_pods_and_their_port(manifests):
    for monitor in manifests.of("PodMonitor", "PodMonitoring"):
        spec = monitor["spec"]
        found = [pod for labels, pod in manifests.pods() if selects(spec["selector"], labels)]
        assert len(found) == 1
        for endpoint in spec.get("podMetricsEndpoints", spec.get("endpoints")):
            assert endpoint["port"] in ports_of(found[0])


def test_routes_and_their_policies_lead_to_services(render):
    gke = render("overlays/gke")
    (gateway,) = gke.of("Gateway")
    listeners = {listener["name"] for listener in gateway["spec"]["listeners"]}
    for route in gke.of("HTTPRoute"):
        for parent in route["spec"]["parentRefs"]:
            assert parent["name"] == gateway["metadata"]["name"]
            assert parent["sectionName"] in listeners
        for rule in route["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                service = gke.get("Service", backend["name"])
                assert backend["port"] in [port["port"] for port in service["spec"]["ports"]]
    for policy in gke.of("GCPBackendPolicy", "HealthCheckPolicy"):
        assert gke.get("Service", policy["spec"]["targetRef"]["name"])


def test_a_change_of_batching_rolls_the_pods_and_a_change_of_models_does_not(render):
    names = {thing["metadata"]["name"] for thing in render("base").of("ConfigMap")}
    assert "models" in names
    assert not names & {"gateway", "model-server"}


def test_kserve_mounts_the_same_files(render):
    (service,) = render("base + kserve").of("InferenceService")
    mounted = {v["configMap"]["name"] for v in service["spec"]["predictor"]["volumes"] if "configMap" in v}
    assert mounted == {
        thing["metadata"]["name"]
        for thing in render("base + kserve").of("ConfigMap")
        if not thing["metadata"]["name"].startswith("gateway")
    }
