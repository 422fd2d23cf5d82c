"""Notify: a run's outcome → a webhook, as JSON; the pipeline's exit handler.

    {"outcome": "released", "sentence": "…", "text": "…", "model": "kakeai", "version": 7, "stage": "release",
     "figures": {…}, "report": "https://…", "run": "…", "state": "SUCCEEDED"}

`outcome` is released, refused, kept, unchanged or failed (see `kakeai.running.outcome`); `text` is a line for
chats, which show that field of a webhook's message (Slack, Mattermost, Google Chat).
"""

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from kakeai.running.outcome import FAILED, Outcome

WEBHOOK = "KAKEAI_WEBHOOK_URL"  # environment variable; from a Secret on the cluster, as the URL is one
ANSWER_SECONDS = 10
ATTEMPTS = 3
WAIT_SECONDS = 2.0  # before the second attempt; twice that before the third


def message(outcome: Outcome | None, state: str, run: str) -> dict[str, Any]:
    """Return what a webhook is told of a run.

    Args:
        outcome: What a stage wrote down; None if none came to that.
        state: Of the run, in Kubeflow's word.
        run: Its id.
    """
    told = outcome or Outcome(FAILED, f"The run ended as {state}, and no stage said why; its logs tell more.")
    name = f"{told.model or 'kakeai'}{f' version {told.version}' if told.version else ''}"
    return {
        "outcome": told.outcome,
        "sentence": told.sentence,
        "text": f"Kakeai, {name}: {told.outcome}. {told.sentence}",
        "model": told.model,
        "version": told.version,
        "stage": told.stage,
        "figures": told.figures,
        "report": told.report.replace("gs://", "https://storage.cloud.google.com/", 1),
        "run": run,
        "state": state,
    }


def post(url: str, content: dict[str, Any]) -> str:
    """Send JSON to a webhook, three times at most, and return in a sentence what came of it.

    It raises nothing, and takes 36 seconds at the most: a webhook that fails is no failed run. The URL, which
    is a secret, is not in the sentence.
    """
    body = json.dumps(content).encode()
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT_SECONDS * attempt)
        try:
            request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return f"the webhook at {urlsplit(url).hostname} was told ({answer.status})"
        except urllib.error.HTTPError as error:
            said = str(error.code)
            if error.code < 500 and error.code != 429:  # asked again, it would say the same
                break
        except (OSError, ValueError, HTTPException) as error:
            said = type(error).__name__ if isinstance(error, ValueError) else str(error)
    return f"the webhook was not told: {said}"
