"""What commands that talk to Kubeflow need, as options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cli.option_groups import with_options
from cli.recipe import retraining
from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from pipelines.endpoint import Endpoint

Image = Annotated[
    str,
    typer.Option(
        envvar="KAKEAI_PIPELINE_IMAGE",
        help="What the stages run in, REGISTRY/pipeline:VERSION.",
        show_default=False,
    ),
]
SERVICE_ACCOUNT = "kakeai-pipeline"  # k8s/kubeflow/base/service-account.yaml


def endpoint(
    address: Annotated[
        str,
        typer.Option(
            "--endpoint",
            envvar="KF_PIPELINES_ENDPOINT",
            help="URL of the Kubeflow Pipelines API; inside its cluster, that one by default.",
            show_default=False,
        ),
    ] = "",
    namespace: Annotated[
        str, typer.Option(help="Of the runs, where Kubeflow has several users.", show_default=False)
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="KAKEAI_KUBEFLOW_TOKEN",
            help="Bearer token; inside the cluster, the service account's by default.",
            show_default=False,
        ),
    ] = "",
    cookie: Annotated[
        str,
        typer.Option(
            envvar="KAKEAI_KUBEFLOW_COOKIE",
            help="Of a login in a browser, such as authservice_session=….",
            show_default=False,
        ),
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option(help="Certificates to trust, for an endpoint with one of its own.", dir_okay=False),
    ] = None,
) -> "Endpoint":
    """Return the endpoint, once it has answered.

    Raises:
        ServiceError: It is not there, lets nobody in, or is no Kubeflow Pipelines.
    """
    from pipelines.endpoint import Endpoint

    return Endpoint(address, namespace, token, cookie, ca)


@with_options(retraining=retraining)
def places(
    corpus: Annotated[str, typer.Option(help="Folder of MIDI files, gs://…")],
    store: Annotated[str, typer.Option(help="The model store to release into, gs://…")],
    work: Annotated[
        str,
        typer.Option(
            help="Folder that outlasts runs, gs://…: checkpoints, what was read, outcomes, reports."
        ),
    ],
    retraining: dict[str, Any],
    model: Annotated[str, typer.Option(help="Name to release under.")] = "kakeai",
) -> dict[str, Any]:
    """Return these parameters of the pipeline.

    Raises:
        KakeaiError: A place that only this machine has.
    """
    for name, place in {"corpus": corpus, "store": store, "work": work}.items():
        if "://" not in place and not place.startswith("/"):
            raise KakeaiError(f"--{name} {place}: Kubeflow's pods need an address they can reach, gs://…")
    return {
        "corpus": corpus,
        "store": store,
        "work": work,
        "model": model,
        **retraining,
    }


def training_pod(
    gpus: Annotated[int, typer.Option(help="GPUs of the training's pod; 0 trains on processors.", min=0)] = 1,
    training_nodes: Annotated[
        list[str] | None,
        typer.Option(
            help="Label of the nodes to train on, KEY=VALUE, or several; with GPUs, by default those that "
            "k8s/kubeflow/gke makes.",
            show_default=False,
        ),
    ] = None,
) -> dict[str, Any]:
    """Return these parameters of the pipeline.

    Raises:
        KakeaiError: A label without `=`.
    """
    from pipelines.pods import GPU_NODES, GPU_TOLERATIONS

    labels = {key: value for key, _, value in (label.partition("=") for label in training_nodes or [])}
    if not all(labels.values()):
        raise KakeaiError(f"--training-nodes {' '.join(training_nodes or [])}: write each as KEY=VALUE")
    return {
        "gpus": str(gpus),
        "training_nodes": labels or (GPU_NODES if gpus else {}),
        "training_tolerations": GPU_TOLERATIONS if gpus else [],
    }


class Deployment(NamedTuple):
    """How the pipeline is put on Kubeflow.

    Attributes:
        image: What the stages run in; empty for kakeai/pipeline of this version.
        service_account: Whom their pods run as.
        pipeline_root: Where artifacts go; empty for where the cluster's settings say.
    """

    image: str
    service_account: str
    pipeline_root: str


def deployment(
    image: Image = "",
    service_account: Annotated[str, typer.Option(help="Whom the pods run as.")] = SERVICE_ACCOUNT,
    pipeline_root: Annotated[
        str, typer.Option(help="Where artifacts go; by default where the cluster says.", show_default=False)
    ] = "",
) -> Deployment:
    """Return the options as they are."""
    return Deployment(image, service_account, pipeline_root)
