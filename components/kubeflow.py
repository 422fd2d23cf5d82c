"""What all components share: their image, and metrics that KFP shows and caches."""

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kfp import dsl

IMAGE = f"kakeai/pipeline:{version('kakeai')}"  # `pipelines.dag.compile_pipeline` puts another in its place


def component(function: Callable[..., Any]) -> Any:  # noqa: ANN401  a component, or the function itself
    """Make a Kubeflow component of a function. Our image holds all that it imports, KFP included."""
    return dsl.component(function, base_image=IMAGE, install_kfp_package=False)


def log_metrics(metrics: dsl.Metrics, figures: Mapping[str, Any]) -> None:
    """Show numbers among a run's metrics; other values are left out.

    They are written to the artifact's file too: KFP keeps them as metadata alone, and takes an artifact
    without a file for one that was lost, so that the stage would run again every time.
    """
    numbers = {name: round(value, 4) for name, value in figures.items() if isinstance(value, int | float)}
    for name, value in numbers.items():
        metrics.log_metric(name, value)
    Path(metrics.path).write_text(json.dumps(numbers))
