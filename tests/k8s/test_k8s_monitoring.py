"""Alerts and dashboard ask for figures that the gateway and TF Serving really export."""

import json
import re
from pathlib import Path

import promql_parser
import pytest

from serving.gateway.settings import Settings
from serving.gateway.telemetry import metrics as gateway
from serving.model_server import metrics as model_server

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

# Name as Prometheus sees it, kind, labels. Sources, at 2.20.0: tensorflow/serving, servables/tensorflow/util.cc,
# servables/tensorflow/saved_model_warmup_util.cc, batching/batching_session.cc and batching/batching_util.h;
# tensorflow/tensorflow, cc/saved_model/loader.cc. util/prometheus_exporter.cc makes ":" of what is no letter.
TF_SERVING = {
    ":tensorflow:serving:request_count": ("counter", {"model_name", "status"}),
    ":tensorflow:serving:request_latency": ("histogram", {"model_name", "API", "entrypoint"}),
    ":tensorflow:serving:runtime_latency": ("histogram", {"model_name", "API", "runtime"}),
    ":tensorflow:serving:model_warmup_latency": ("histogram", {"model_path", "status"}),
    ":tensorflow:serving:batching_session:queuing_latency": ("histogram", {"thread_pool_name"}),
    ":tensorflow:serving:batching_session:input_batch_size": ("histogram", set()),
    ":tensorflow:serving:batching_session:processed_batch_size": ("histogram", set()),
    ":tensorflow:cc:saved_model:load_attempt_count": ("counter", {"model_path", "status"}),
}
OF_THE_TARGET = {"job", "pod", "namespace", "container", "instance"}  # Prometheus adds them to everything


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Labels by series, of the gateway as it is and of TF Serving."""
    kinds = dict(TF_SERVING)
    metrics = gateway.Metrics()
    for family in metrics.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        kinds[name] = (family.type, set())
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            kinds[name] = (family.type, set(metric._labelnames))
    series = {}
    for name, (kind, labels) in kinds.items():
        if kind == "histogram":
            series |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            series[name] = labels
    return series


@pytest.fixture(scope="module")
def alerts(render):
    (rules,) = render("base + monitoring").of("PrometheusRule")
    return [alert for group in rules["spec"]["groups"] for alert in group["rules"]]


@pytest.fixture(scope="module")
def expressions(alerts, render):
    text = render("base + monitoring").get("ConfigMap", "kakeai-dashboard")["data"]["kakeai.json"]
    panels = json.loads(text)["panels"]
    asked = {f"panel {p['title']}, {t['refId']}": t["expr"] for p in panels for t in p.get("targets", [])}
    assert asked
    asked |= {alert["alert"]: alert["expr"] for alert in alerts}
    # Grafana puts an interval in the place of its variable.
    return {name: promql_parser.parse(asked[name].replace("$__rate_interval", "5m")) for name in asked}


def test_every_figure_and_label_asked_for_is_exported(expressions, exported):
    for name, expression in expressions.items():
        asked = selectors(expression)
        assert asked, name
        for selector in asked:
            assert selector.name in exported, name
            labels = {matcher.name for matcher in selector.matchers.matchers}
            assert labels <= exported[selector.name] | OF_THE_TARGET, name


def test_every_label_summed_by_is_exported(expressions, exported):
    for name, expression in expressions.items():
        known = set().union(*(exported[selector.name] for selector in selectors(expression)))
        assert grouped_by(expression) <= known | OF_THE_TARGET, name


def test_every_figure_of_the_gateway_is_on_the_dashboard_or_in_an_alert(expressions):
    asked = {selector.name for expression in expressions.values() for selector in selectors(expression)}
    for family in gateway.Metrics().registry.collect():
        if family.name.startswith("kakeai_"):
            assert any(name.startswith(family.name) for name in asked), family.name


def test_every_alert_has_its_page(alerts):
    headings = re.findall(r"^#+ (.+)$", OPERATIONS.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for alert in alerts:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors
        assert anchor == alert["alert"].lower()
        assert alert["labels"]["severity"] in ("page", "ticket")


def test_the_gateway_is_nearly_full_at_four_fifths(alerts, render):
    (alert,) = [alert for alert in alerts if alert["alert"] == "GatewayNearlyFull"]
    limit = int(render("base").get("ConfigMap", "gateway")["data"]["KAKEAI_MAX_SESSIONS"])
    assert limit == Settings.model_fields["max_sessions"].default
    assert float(alert["expr"].rpartition(">")[2]) == 0.8 * limit
    assert str(limit) in alert["annotations"]["summary"]


def test_our_own_model_server_has_all_of_tf_servings_figures():
    ours = {
        metric.name: (metric.kind, set(metric.labels)) for metric in vars(model_server.Metrics()).values()
    }
    assert ours == TF_SERVING


def selectors(expression) -> list:
    """All selectors of series in an expression."""
    found = []

    def note(part) -> bool:
        if isinstance(part, promql_parser.VectorSelector):
            found.append(part)
        elif isinstance(part, promql_parser.MatrixSelector):
            found.append(part.vector_selector)
        return True

    promql_parser.walk(expression, note)
    return list({str(selector): selector for selector in found}.values())


def grouped_by(expression) -> set[str]:
    """All labels that an expression sums by."""
    found = set()

    def note(part) -> bool:
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier:
            found.update(part.modifier.labels)
        return True

    promql_parser.walk(expression, note)
    return found
