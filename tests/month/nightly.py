"""A retraining as it runs every night, stage by stage, in a process of its own that can be killed.

For each line of JSON that comes in, a child does what it says. Its pid is answered, then its result, then a line with
its exit status; a night that was killed has no result, and the signal's number below zero. One that is begun again
goes on with what its stages have left, as Kubeflow's cache has it.
"""

import json
import os
import signal
import sys
from pathlib import Path

import kakeai.model  # noqa: F401  settles TensorFlow's Keras before anything imports TensorFlow

# isort: split
import keras  # noqa: F401  before the first fork, so that a night costs no start
import tensorflow as tf  # noqa: F401

from components import bundle, convert, evaluate, ingest, release, survey, train
from kakeai.manifest import MANIFEST

STAGES = ("survey", "ingest", "convert", "train", "evaluate", "bundle", "release")
CONFIG = "basic_rnn"
MODEL = "kakeai"


def night(work: str, corpus: str, store: str, recipe: dict, die_after: str = "") -> dict:
    """Run the stages; kill this very process once `die_after` has ended."""
    folder = Path(work)

    def ended(stage: str) -> None:
        if stage == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    surveyed = survey.survey(corpus, folder / "surveys" / "now", store, MODEL, recipe, reuse=f"{work}/reuse")
    ended("survey")
    if not surveyed.changed:
        return {"verdict": "unchanged", "sentence": surveyed.sentence}
    steps, seed = recipe["num_training_steps"], recipe["seed"]
    cache = folder / f"{surveyed.fingerprint[:12]}-{steps}-{seed}"
    evaluation = cache / f"evaluation-{surveyed.champion}"
    if not (cache / "ingested").exists():
        ingest.ingest_shard(
            folder / "surveys" / "now", cache / "ingested", num_processes=1, reuse=f"{work}/reuse"
        )
    ended("ingest")
    if not (cache / "dataset").exists():
        convert.convert([cache / "ingested"], cache / "dataset", CONFIG, eval_ratio=0.25)
    ended("convert")
    if not (cache / "trained").exists():
        train.train(cache / "dataset", cache / "run", CONFIG, recipe["hparams"], steps, seed)
        (cache / "trained").touch()
    ended("train")
    if not evaluation.exists():
        evaluate.evaluate(
            cache / "dataset", cache / "run", evaluation, store=store, model=MODEL, champion=surveyed.champion
        )
    ended("evaluate")
    if not (cache / "bundle").exists():
        bundle.bundle(cache / "run", cache / "bundle", MODEL)
    ended("bundle")
    manifest = folder / "surveys" / "now" / MANIFEST
    result = release.release(cache / "bundle", evaluation, store, MODEL, manifest, recipe)
    ended("release")
    rejected = (cache / "ingested" / "rejected.jsonl").read_text().splitlines()
    return {
        "verdict": result.verdict,
        "version": result.version,
        "sentence": result.sentence,
        "rejected": len(rejected),
    }


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            print(os.getpid(), flush=True)
            print(json.dumps(night(**json.loads(line))), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("exit status", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
