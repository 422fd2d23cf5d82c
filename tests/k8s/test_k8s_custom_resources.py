"""Every object of a kind that others add to Kubernetes against a schema of what the manifests use of it.

Each is a JSON schema of `spec` that knows no field besides; the sources are the projects' own definitions.
"""

from typing import Any

import jsonschema
import kubernetes_validate

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}


def fields(required: str = "", **schemas: Schema) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": schemas,
        "required": required.split(),
        "additionalProperties": False,
    }


def some(schema: Schema) -> Schema:
    """A list that is not empty."""
    return {"type": "array", "items": schema, "minItems": 1}


def one_of(*values: str) -> Schema:
    """One of some words."""
    return {"enum": list(values)}


LABELS = {"type": "object", "additionalProperties": TEXT}
SELECTOR = fields("matchLabels", matchLabels=LABELS)
ENDPOINTS = some(fields("port", port=NAME, path=TEXT, interval=DURATION))
ALERTS = fields(
    "groups",
    groups=some(
        fields(
            "name rules",
            name=TEXT,
            interval=DURATION,
            rules=some(
                fields(
                    "alert expr",
                    alert=TEXT,
                    expr=TEXT,
                    labels=LABELS,
                    annotations=LABELS,
                    **{"for": DURATION},
                )
            ),
        )
    ),
)
TARGET = fields("group kind name", group={"const": ""}, kind={"const": "Service"}, name=NAME)
REDIRECT = fields(
    scheme=one_of("http", "https"),
    statusCode={"enum": [301, 302]},
    path=fields("type", type=one_of("ReplaceFullPath"), replaceFullPath=TEXT),
)

SPECS: dict[str, Schema] = {
    # github.com/kubernetes-sigs/gateway-api, config/crd/standard
    "gateway.networking.k8s.io/v1 Gateway": fields(
        "gatewayClassName listeners",
        gatewayClassName=NAME,
        addresses=some(fields("value", type=TEXT, value=TEXT)),
        listeners=some(fields("name port protocol", name=NAME, port=PORT, protocol=one_of("HTTP", "HTTPS"))),
    ),
    "gateway.networking.k8s.io/v1 HTTPRoute": fields(
        "parentRefs",
        parentRefs=some(fields("name", name=NAME, sectionName=NAME)),
        hostnames=some(NAME),
        rules=some(
            fields(
                matches=some(
                    fields(path=fields("type value", type=one_of("Exact", "PathPrefix"), value=TEXT))
                ),
                filters=some(fields("type", type=one_of("RequestRedirect"), requestRedirect=REDIRECT)),
                backendRefs=some(fields("name", name=NAME, port=PORT)),
            )
        ),
    ),
    # cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources
    "networking.gke.io/v1 GCPBackendPolicy": fields(
        "default targetRef",
        default=fields(timeoutSec=COUNT, connectionDraining=fields(drainingTimeoutSec=COUNT)),
        targetRef=TARGET,
    ),
    "networking.gke.io/v1 HealthCheckPolicy": fields(
        "default targetRef",
        default=fields(
            checkIntervalSec=COUNT,
            timeoutSec=COUNT,
            healthyThreshold=COUNT,
            unhealthyThreshold=COUNT,
            config=fields(
                "type",
                type=one_of("HTTP"),
                httpHealthCheck=fields(
                    portSpecification=one_of("USE_FIXED_PORT"), port=PORT, requestPath=TEXT
                ),
            ),
        ),
        targetRef=TARGET,
    ),
    # github.com/prometheus-operator/prometheus-operator, example/prometheus-operator-crd
    "monitoring.coreos.com/v1 PodMonitor": fields(
        "selector podMetricsEndpoints", selector=SELECTOR, podMetricsEndpoints=ENDPOINTS
    ),
    "monitoring.coreos.com/v1 PrometheusRule": ALERTS,
    # github.com/GoogleCloudPlatform/prometheus-engine, charts/operator/crds
    "monitoring.googleapis.com/v1 PodMonitoring": fields(
        "selector endpoints", selector=SELECTOR, endpoints=ENDPOINTS
    ),
    "monitoring.googleapis.com/v1 Rules": ALERTS,
    # cloud.google.com/kubernetes-engine/docs/reference/crds/computeclass
    "cloud.google.com/v1 ComputeClass": fields(
        "priorities",
        nodePoolAutoCreation=fields(enabled={"type": "boolean"}),
        priorities=some(fields(gpu=fields("type count", type=NAME, count=COUNT), spot={"type": "boolean"})),
        whenUnsatisfiable=one_of("ScaleUpAnyway", "DoNotScaleUp"),
    ),
    # github.com/kserve/kserve, config/crd/full; the rest of `predictor` is a pod's own specification
    "serving.kserve.io/v1beta1 InferenceService": fields("predictor", predictor={"type": "object"}),
}

# What KServe adds to a pod's specification.
PREDICTOR = fields(
    "minReplicas maxReplicas",
    minReplicas=COUNT,
    maxReplicas=COUNT,
    scaleMetric=one_of("cpu", "memory", "concurrency", "rps"),
    scaleTarget=COUNT,
    labels=LABELS,
    deploymentStrategy={"type": "object"},
)


def test_what_extends_kubernetes_takes_every_object(every_object):
    seen = set()
    for thing in every_object:
        kind = f"{thing['apiVersion']} {thing['kind']}"
        if kind in SPECS:
            jsonschema.validate(thing["spec"], SPECS[kind])
            seen.add(kind)
    assert seen == SPECS.keys()


def test_kserve_takes_its_own_part_and_kubernetes_the_pod(render, newest_versions):
    (service,) = render("base + kserve").of("InferenceService")
    predictor = service["spec"]["predictor"]
    own = PREDICTOR["properties"].keys()
    jsonschema.validate({name: part for name, part in predictor.items() if name in own}, PREDICTOR)
    pod = {name: part for name, part in predictor.items() if name not in own}
    for version in newest_versions:
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": pod},
            version,
            strict=True,
        )
