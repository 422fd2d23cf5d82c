"""The seven stages as one Kubeflow pipeline."""

# KFP changes the signatures of what it decorates.
# pyright: reportArgumentType=false, reportCallIssue=false

import os
import tempfile
from dataclasses import asdict
from itertools import dropwhile
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl

from components.bundle import bundle_component
from components.convert import convert_component
from components.evaluate import evaluate_component
from components.ingest import ingest_component
from components.kubeflow import IMAGE
from components.notify import notify_component
from components.release import release_component
from components.survey import survey_component
from components.train import train_component
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import KakeaiError
from kakeai.model.training.learning_curve import PATIENCE
from kakeai.music.extraction import MAGENTA
from kakeai.outputs import check_folder
from kakeai.storage import write_whole
from pipelines.pods import GPU_NODES, GPU_TOLERATIONS, give_gpus, give_pod, give_webhook

MAGENTA_RULES = asdict(MAGENTA)
HEAD = "# Made by kakeai pipeline compile; the code is pipelines/dag.py.\n"


@dsl.pipeline(
    name="retrain", description="From a corpus that has changed to a decision, and perhaps a release."
)
def retrain_pipeline(
    changed: bool,
    manifest: str,
    shards: list[int],
    champion: int,
    recipe: dict,
    store: str,
    work: str,
    model: str,
    config: str,
    hparams: str,
    num_training_steps: int,
    eval_ratio: float,
    extraction: dict,
    transpose: str,
    seed: int,
    warm_start: str,
    warm_start_fingerprint: str,
    early_stopping: int,
    mixed_precision: str,
    gpus: str,
    training_nodes: dict,
    training_tolerations: list,
) -> None:
    """Ingest, convert, train, evaluate, bundle, release; or nothing, if nothing changed.

    A pipeline of its own, because kfp.local can tell `changed` in a condition only where it is a pipeline's
    parameter.
    """
    with dsl.If(changed == True, name="changed"):  # noqa: E712  KFP's
        with dsl.ParallelFor(items=shards, name="shards") as shard:
            ingested = give_pod(ingest_component(manifest=manifest, shard=shard, work=work), "ingest")
        converted = convert_component(
            note_sequences=dsl.Collected(ingested.outputs["note_sequences"]),
            config=config,
            eval_ratio=eval_ratio,
            extraction=extraction,
            transpose=transpose,
            work=work,
        )
        dataset = give_pod(converted, "convert").outputs["dataset"]
        trained = train_component(
            dataset=dataset,
            config=config,
            hparams=hparams,
            num_training_steps=num_training_steps,
            seed=seed,
            warm_start=warm_start,
            warm_start_fingerprint=warm_start_fingerprint,
            early_stopping=early_stopping,
            mixed_precision=mixed_precision,
            gpus=gpus,
            work=work,
        )
        run = give_pod(trained, "train").outputs["run"]
        give_gpus(trained, gpus, training_nodes, training_tolerations)
        evaluated = evaluate_component(
            dataset=dataset,
            run=run,
            store=store,
            model=model,
            champion=champion,
            manifest=manifest,
            work=work,
        )
        give_pod(evaluated, "evaluate")
        bundled = give_pod(bundle_component(run=run, model=model, work=work), "bundle")
        released = release_component(
            bundled=bundled.outputs["bundled"],
            evaluation=evaluated.outputs["evaluation"],
            manifest=manifest,
            recipe=recipe,
            store=store,
            model=model,
            work=work,
        )
        # The store may have changed since; the stage itself sees whether there is anything to release.
        give_pod(released, "release").set_caching_options(False)


@dsl.pipeline(
    name="kakeai", description="From MIDI files to a model in the store that plays call and response."
)
def kakeai_pipeline(
    corpus: str,
    store: str,
    work: str,
    model: str = "kakeai",
    config: str = "lookback_rnn",
    hparams: str = "",
    num_training_steps: int = 1000,
    eval_ratio: float = 0.1,
    extraction: dict = MAGENTA_RULES,
    transpose: str = "",
    seed: int = 0,
    warm_start: str = "",
    early_stopping: int = PATIENCE,
    mixed_precision: str = "",
    num_shards: int = 0,
    min_new: int = 0,
    allow_shrink: bool = False,
    max_midi_bytes: int = MAX_MIDI_BYTES,
    follow_links: bool = False,
    gpus: str = "1",
    training_nodes: dict = GPU_NODES,
    training_tolerations: list = GPU_TOLERATIONS,
) -> None:
    """Survey, and all the others if something changed; in the end, whatever happened, notify.

    Args:
        corpus: Folder of MIDI files, local or gs://.
        store: The model store, local or gs://.
        work: Folder that outlasts runs, local or gs://: checkpoints, manifests, what was read, outcomes, reports.
        model: Name to release under.
        config: One of Magenta's MelodyRNN configurations.
        hparams: Changes to its hyperparameters, in Magenta's syntax.
        num_training_steps: Training steps.
        eval_ratio: Share of the files that is held out.
        extraction: Changes to the rules by which melodies are found, such as {"min_bars": 4, "polyphony": "top"}.
        transpose: Semitones by which to add copies of each training melody, such as -5..6.
        seed: Of weights, dropout and order.
        warm_start: Begin with the weights of a bundle (`.mag`), of a version in a store (STORE/MODEL/VERSION) or of
            the store's newest, "champion"; empty for none.
        early_stopping: Evaluations without a lower held-out loss after which training ends; 0 for never.
        mixed_precision: What products are computed in, bfloat16 or float16; empty for float32.
        num_shards: Parts that the corpus is read in; 0 for as many as are worth a pod each.
        min_new: Train only when so many new files came in since the newest release, or the recipe changed.
        allow_shrink: Take a corpus that has lost more than half of what the champion was trained on.
        max_midi_bytes: The most that is read of a MIDI file.
        follow_links: Follow links that lead out of the corpus's folder.
        gpus: GPUs of the training's pod, a whole number as a string; 0 trains on processors, empty on what the
            machine has.
        training_nodes: Labels of the nodes that training may run on.
        training_tolerations: Of its pod, as Kubernetes writes them.
    """
    notified = give_pod(notify_component(work=work), "notify")
    notified.set_caching_options(False)
    give_webhook(notified)
    with dsl.ExitHandler(notified, name="retraining"):
        surveyed = survey_component(
            corpus=corpus,
            store=store,
            model=model,
            work=work,
            config=config,
            hparams=hparams,
            num_training_steps=num_training_steps,
            eval_ratio=eval_ratio,
            extraction=extraction,
            transpose=transpose,
            seed=seed,
            warm_start=warm_start,
            early_stopping=early_stopping,
            mixed_precision=mixed_precision,
            num_shards=num_shards,
            min_new=min_new,
            allow_shrink=allow_shrink,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
            gpus=gpus,
        )
        give_pod(surveyed, "survey").set_caching_options(False)  # a bucket's name says nothing of its content
        retrain_pipeline(
            changed=surveyed.outputs["changed"],
            manifest=surveyed.outputs["manifest"],
            shards=surveyed.outputs["shards"],
            champion=surveyed.outputs["champion"],
            recipe=surveyed.outputs["recipe"],
            warm_start=surveyed.outputs["start"],
            warm_start_fingerprint=surveyed.outputs["start_fingerprint"],
            store=store,
            work=work,
            model=model,
            config=config,
            hparams=hparams,
            num_training_steps=num_training_steps,
            eval_ratio=eval_ratio,
            extraction=extraction,
            transpose=transpose,
            seed=seed,
            early_stopping=early_stopping,
            mixed_precision=mixed_precision,
            gpus=gpus,
            training_nodes=training_nodes,
            training_tolerations=training_tolerations,
        )


def compile_pipeline(path: Path, image: str = "") -> None:
    """Write the pipeline as the YAML that Kubeflow runs, its stages in `image` if one is given.

    The same pipeline gives the same bytes. An earlier compiled pipeline is replaced, and no other file.

    Raises:
        KakeaiError: The file is there and is no compiled pipeline, or cannot be written.
    """
    check_folder(path.parent, "the output's folder")
    if os.path.lexists(path) and not (path.is_file() and _is_ours(path.read_bytes())):
        raise KakeaiError(f"{path} is no pipeline that kakeai compiled; choose another file to write")
    write_whole(path, (HEAD + _yaml(image)).encode())


def compiled(image: str = "") -> dict[str, Any]:
    """Return the pipeline as Kubeflow's API takes it, its stages in `image` if one is given."""
    spec, platform = yaml.safe_load_all(_yaml(image))
    return {"pipeline_spec": spec, "platform_spec": platform}


def _is_ours(content: bytes) -> bool:
    heads = HEAD.encode(), b"# PIPELINE DEFINITION\n# Name: kakeai\n"  # of Kakeai 0.1 as well
    return not content or content.startswith(heads)


def _yaml(image: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kakeai.yaml")
        compiler.Compiler().compile(kakeai_pipeline, str(path))
        lines = path.read_text().splitlines(keepends=True)
    # The comments that KFP puts first list the parameters in a random order.
    text = "".join(dropwhile(lambda line: line.startswith("#"), lines))
    return text.replace(f"image: {IMAGE}\n", f"image: {image}\n") if image else text
