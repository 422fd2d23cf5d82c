"""The notify stage as a Kubeflow component."""

from kfp import dsl

from components.kubeflow import component


@component
def notify_component(work: str, status: dsl.PipelineTaskFinalStatus):  # noqa: ANN201  KFP reads the signature
    """Tell the webhook, if there is one, how the run ended."""
    import os

    from kakeai.running.outcome import read_outcome, run_id
    from kakeai.stages.notify import WEBHOOK, message, post

    content = message(read_outcome(work), status.state, run_id())
    print(content["text"])
    url = os.environ.get(WEBHOOK, "")
    print(post(url, content) if url else f"no webhook is set ({WEBHOOK})")
