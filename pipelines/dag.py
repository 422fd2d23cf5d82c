"""The six stages as one Kubeflow pipeline."""

# KFP changes the signatures of what it decorates.
# pyright: reportArgumentType=false, reportCallIssue=false

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl
from kfp.dsl import Artifact, Model

from components.bundle import bundle_component
from components.convert import convert_component
from components.evaluate import evaluate_component
from components.ingest_corpus import ingest_component
from components.release import release_component
from components.train import train_component
from kakeai.model.learning_curve import PATIENCE
from kakeai.music.extraction import Extraction

MAGENTA = asdict(Extraction())  # its rules


class Outputs(NamedTuple):
    """What a run leaves: the report, the training run, the bundle, and which version was released."""

    evaluation: Artifact
    run: Model
    bundled: Artifact
    released: Artifact


@dsl.pipeline(
    name="kakeai", description="From MIDI files to a model in the store that plays call and response."
)
def kakeai_pipeline(
    corpus: str,
    store: str,
    checkpoints: str,
    corpus_fingerprint: str = "",
    shards: list[int] = [0],  # noqa: B006  KFP wants a literal
    num_shards: int = 1,
    model: str = "kakeai",
    config: str = "lookback_rnn",
    hparams: str = "",
    num_training_steps: int = 1000,
    eval_ratio: float = 0.1,
    extraction: dict = MAGENTA,
    transpose: str = "",
    seed: int = 0,
    warm_start: str = "",
    warm_start_fingerprint: str = "",
    early_stopping: int = PATIENCE,
    mixed_precision: str = "",
    gpus: int = 0,
) -> Outputs:
    """Ingest, convert, train, evaluate, bundle, release.

    Args:
        corpus: Folder of MIDI files, local or gs://.
        store: The model store, local or gs://.
        checkpoints: Folder that outlasts a run, so that a killed training goes on.
        corpus_fingerprint: Changes when the corpus does, so that earlier results are then not reused.
        shards: The numbers below `num_shards`, one ingest task for each.
        num_shards: Parts that the corpus is read in.
        model: Name to release under.
        config: One of Magenta's MelodyRNN configurations.
        hparams: Changes to its hyperparameters, in Magenta's syntax.
        num_training_steps: Training steps.
        eval_ratio: Share of the files that is held out.
        extraction: Changes to the rules by which melodies are found, such as {"min_bars": 4, "polyphony": "top"}.
        transpose: Semitones by which to add copies of each training melody, such as -5..6.
        seed: Of weights, dropout and order.
        warm_start: Bundle (`.mag`) whose weights training begins with; empty for none.
        warm_start_fingerprint: Changes when that bundle does, so that earlier results are then not reused.
        early_stopping: Evaluations without a lower held-out loss after which training ends; 0 for never.
        mixed_precision: What products are computed in, bfloat16 or float16; empty for float32.
        gpus: How many of a machine share each batch; 0 for all.
    """
    with dsl.ParallelFor(items=shards, name="shards") as shard:
        ingested = ingest_component(
            corpus=corpus, shard=shard, num_shards=num_shards, corpus_fingerprint=corpus_fingerprint
        )
    converted = convert_component(
        note_sequences=dsl.Collected(ingested.outputs["note_sequences"]),
        config=config,
        eval_ratio=eval_ratio,
        extraction=extraction,
        transpose=transpose,
    )
    trained = train_component(
        dataset=converted.outputs["dataset"],
        config=config,
        hparams=hparams,
        num_training_steps=num_training_steps,
        seed=seed,
        warm_start=warm_start,
        warm_start_fingerprint=warm_start_fingerprint,
        early_stopping=early_stopping,
        mixed_precision=mixed_precision,
        gpus=gpus,
        checkpoints=checkpoints,
    )
    evaluated = evaluate_component(
        dataset=converted.outputs["dataset"],
        run=trained.outputs["run"],
        store=store,
        model=model,
        champion=0,
    )
    bundled = bundle_component(run=trained.outputs["run"], model=model)
    released = release_component(
        bundled=bundled.outputs["bundled"],
        evaluation=evaluated.outputs["evaluation"],
        store=store,
        model=model,
    )
    # The store may have changed since; the stage itself sees whether there is anything to release.
    released.set_caching_options(False)
    return Outputs(
        evaluated.outputs["evaluation"],
        trained.outputs["run"],
        bundled.outputs["bundled"],
        released.outputs["released"],
    )


def compile_pipeline(path: Path) -> None:
    """Write the pipeline as the YAML that Kubeflow runs."""
    compiler.Compiler().compile(kakeai_pipeline, str(path))
