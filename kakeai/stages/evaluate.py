"""Evaluate: dataset and weights → a decision, with the figures it rests on, and a report to look at and listen to.

decision.json says whether the model is to be released (`kakeai.judging.gate`): verdict, sentence, champion, checks.
tunes.jsonl has a row for each held-out tune: its file, its steps, and the nats a step that it cost the model, the
n-gram and the champion. metrics.json is flat. Figures that need a held-out side are null where the dataset has none.

    step, config, hparams             whose weights these are
    corpus, training_corpus           fingerprint of the dataset's corpus, and of the one that was trained on
    num_files, num_rejected           of the corpus
    num_training_melodies, num_eval_melodies
    loss, perplexity, accuracy, event_accuracy, no_event_accuracy
                                      Magenta's, over labels of the held-out side (`kakeai.model.measuring.figures`)
    model_*, ngram_*                  over its events, so that configurations and the n-gram can be compared:
      event_accuracy, no_event_accuracy, nll_per_step, nll_per_note   (`kakeai.model.measuring.held_out.EventFigures`)
    beats_ngram                       whether model_nll_per_step is lower than ngram_nll_per_step
    gain_nll_per_step                 ngram_nll_per_step - model_nll_per_step
    gain_low, gain_high               its 95 % interval by differences between tunes; null for a single one
    gain_share_of_tunes               on how many tunes (files) the model is the better one, as a share of them
    num_eval_tunes                    files of the held-out side
    champion                          version of the model in service that it was compared with; 0 for none
    champion_nll_per_step             that one's, by its own signature; null for none, as the rest of it:
    champion_gain_nll_per_step        champion_nll_per_step - model_nll_per_step
    champion_gain_low, champion_gain_high, champion_gain_share_of_tunes
                                      as above
    verdict, sentence                 decision.json's
    num_samples                       continuations of two bars that were listened to, eight bars each
    samples_*, held_out_*             of these, and of how the held-out tunes themselves go on:
      pitch_range, notes_per_bar, repetition, silence
                                      means (`kakeai.music.listening.Sound`)
      quotation_median, quotation_longest
                                      notes of the longest passage shared with a training tune, in any key
                                      (`kakeai.model.measuring.quotation`)
"""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kakeai.corpus.surveyed import read_survey
from kakeai.errors import KakeaiError
from kakeai.judging.champion_scores import fetched, known_files, log_likelihoods
from kakeai.judging.decision import finite
from kakeai.judging.evidence import Evidence
from kakeai.judging.gate import decide
from kakeai.judging.listening import Samples, figures, hear_tunes, usual
from kakeai.judging.predicting import Side, pattern_of_newcomers, predicting
from kakeai.judging.unreadable import unreadable
from kakeai.melodies.ledger import reason_in_words
from kakeai.model.data.dataset import EVAL, TRAINING, read_dataset, read_dataset_info
from kakeai.model.training.learning_curve import overfitting
from kakeai.outputs import StageFiles, check_output, replaced_folder
from kakeai.report.page import Evaluation, Sample, render
from kakeai.storage import location

if TYPE_CHECKING:
    from cloudpathlib import GSPath

METRICS, DECISION, TUNES, REPORT = "metrics.json", "decision.json", "tunes.jsonl", "report.html"
FILES = StageFiles("evaluate", DECISION, (METRICS, TUNES, REPORT))
PARTS = 4  # that the work is done in, for who watches
# What is told in one line.
METRICS_TOLD = (
    "model_event_accuracy",
    "ngram_event_accuracy",
    "beats_ngram",
    "samples_quotation_longest",
    "verdict",
    "sentence",
)


def evaluate(
    dataset: Path,
    run_dir: "Path | GSPath",
    output: Path,
    step: int | None = None,
    store: str = "",
    model: str = "kakeai",
    champion: int = 0,
    surveyed: Path | None = None,
    num_samples: int = 6,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure how well a training run's model predicts the held-out melodies, and how it plays; decide on its release.

    Args:
        dataset: Folder that `convert` wrote.
        run_dir: Folder of the training run.
        output: Folder for decision.json, metrics.json, tunes.jsonl and report.html: a new or empty one, or one that
            evaluate wrote, which is replaced.
        step: Which checkpoint; by default the one with the lowest held-out loss.
        store: The model store, a folder or gs://…, that holds the champion.
        model: The champion's name there.
        champion: Version of the model in service, to compare with; 0 for none.
        surveyed: Folder that `survey` wrote, for the report; None for none.
        num_samples: Samples to show in the report.
        seed: Of the samples.
        on_progress: Called with the parts done, and their number.

    Returns:
        What metrics.json holds.

    Raises:
        KakeaiError: A bad dataset, no such checkpoint, a champion that is not there or does not work, or an output
            that may not be replaced.
    """
    inputs = [
        ("the dataset", dataset),
        ("--run-dir", run_dir),
        ("the store's model", location(store) / model if store else None),
        ("the manifest", surveyed),
    ]
    check_output(output, FILES, inputs)
    from kakeai.model.training import run as training_run

    if num_samples < 1:
        raise KakeaiError(f"--num-samples must be 1 or more, not {num_samples}")
    info = read_dataset_info(dataset)
    training, held_out = (Side.of(*read_dataset(dataset / side)) for side in (TRAINING, EVAL))
    if not training.melodies:
        raise KakeaiError(f"{dataset} has no training melodies; convert a larger corpus")
    run = training_run.read(run_dir)
    challenger, step = training_run.load_model(run_dir, step)

    known = frozenset()
    with fetched(store, model, champion) if champion else nullcontext() as version:
        if version:
            known = known_files(version)
        predicted = predicting(
            challenger,
            training,
            held_out,
            partial(log_likelihoods, version) if version else None,
            lambda done: on_progress(done, PARTS),
        )
    newcomers = pattern_of_newcomers(training, held_out, known, challenger.config) if known else None
    openings = held_out if held_out.melodies else training
    samples = Samples(challenger, openings.melodies, training.melodies, num_samples, seed)
    heard = hear_tunes(held_out.melodies, training.melodies)
    evidence = Evidence(
        predicted.over_ngram,
        predicted.over_halfway,
        samples.heard,
        usual(heard, training.melodies),
        predicted.beside_champion(champion, known, newcomers) if champion else None,
    )
    decision = decide(evidence)
    metrics: dict[str, Any] = {
        "step": step,
        "config": run.config,
        "hparams": run.hparams,
        "corpus": info.fingerprint,
        "training_corpus": run.corpus["fingerprint"],
        "num_files": info.num_files,
        "num_rejected": info.num_rejected,
        "num_training_melodies": len(training.melodies),
        "num_eval_melodies": len(held_out.melodies),
        "num_eval_tunes": len(set(held_out.sources)),
        **predicted.figures,
        "champion": champion,
        "verdict": decision.verdict,
        "sentence": decision.sentence,
        "num_samples": len(samples.melodies),
        **figures("samples", samples.heard),
        **figures("held_out", heard),
    }
    metrics = {name: finite(value) if isinstance(value, float) else value for name, value in metrics.items()}
    on_progress(3, PARTS)

    curves = training_run.curves(run_dir)
    warning = overfitting(curves) if held_out.melodies else ""
    tunes = list(predicted.rows())
    page = render(
        Evaluation(
            metrics,
            asdict(decision),
            tunes,
            {reason_in_words(reason): times for reason, times in info.dropped.items()},
            curves,
            warning,
            _on_the_page(samples, openings, training)[:num_samples],
            unreadable(dataset),
            asdict(read_survey(surveyed)) if surveyed else None,
        )
    )
    with replaced_folder(output, FILES) as folder:
        (folder / METRICS).write_text(json.dumps(metrics, indent=1))
        (folder / DECISION).write_text(json.dumps(asdict(decision), indent=1))
        (folder / TUNES).write_text("".join(json.dumps(row) + "\n" for row in tunes))
        (folder / REPORT).write_text(page, encoding="utf-8")
    on_progress(PARTS, PARTS)
    return metrics


def _on_the_page(samples: Samples, openings: Side, training: Side) -> list[Sample]:
    return [
        Sample(
            openings.sources[opening],
            melody,
            turn,
            quotation.notes,
            training.sources[quotation.source],
            quotation.begin,
        )
        for opening, melody, turn, quotation in zip(
            samples.openings, samples.melodies, samples.turns, samples.quotations, strict=True
        )
    ]
