"""The stages' Kubeflow faces: which image they run in, and how they are made."""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

IMAGE = os.environ.get("KAKEAI_PIPELINE_IMAGE", "kakeai/pipeline:0.1.0")


def component(function: Callable[..., Any]) -> Any:  # noqa: ANN401  a component, or the function itself
    """Make a Kubeflow component of a function; our image holds all that it imports, KFP included.

    Inside a running stage KFP offers no `dsl.component`, and the function stays what it is.
    """
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    return dsl.component(function, base_image=IMAGE, install_kfp_package=False)
