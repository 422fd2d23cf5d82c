"""Evaluate: dataset and weights → metrics.json, and a report to look at and listen to.

metrics.json is flat. Figures that need a held-out side are null where the dataset has none.

    step, config, hparams             whose weights these are
    corpus, training_corpus           fingerprint of the dataset's corpus, and of the one that was trained on
    num_files, num_rejected           of the corpus
    num_training_melodies, num_eval_melodies
    loss, perplexity, accuracy, event_accuracy, no_event_accuracy
                                      Magenta's, over labels of the held-out side (`kakeai.model.figures`)
    model_*, ngram_*                  over its events, so that configurations and the n-gram can be compared:
      event_accuracy, no_event_accuracy, nll_per_step, nll_per_note   (`kakeai.model.held_out.EventFigures`)
    beats_ngram                       whether model_nll_per_step is lower than ngram_nll_per_step
    gain_nll_per_step                 ngram_nll_per_step - model_nll_per_step
    gain_low, gain_high               its 95 % interval; null for a single melody
    gain_share_of_melodies            on how many melodies the model is the better one, as a share of them
    num_samples                       continuations of two bars that were listened to, eight bars each
    samples_*, held_out_*             of these, and of how the held-out tunes themselves go on:
      pitch_range, notes_per_bar, repetition, silence
                                      means (`kakeai.music.listening.Sound`)
      quotation_median, quotation_longest
                                      notes of the longest passage shared with a training tune, in any key
                                      (`kakeai.model.quotation`)
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components.kubeflow import component
from kakeai.errors import KakeaiError
from kakeai.storage import replace_folder

if TYPE_CHECKING:
    import numpy as np
    from cloudpathlib import CloudPath

    from kakeai.model.network import MelodyRnn
    from kakeai.model.quotation import Quotation

METRICS, REPORT = "metrics.json", "report.html"
PRIMER_STEPS = 32  # two bars of 4/4
MEASURED_STEPS = 128  # eight bars
MEASURED_SAMPLES = 64  # six to listen to are too few to count on
PARTS = 4  # that the work is done in, for who watches
# What is told in one line.
METRICS_TOLD = ("model_event_accuracy", "ngram_event_accuracy", "beats_ngram", "samples_quotation_longest")


def evaluate(
    dataset: Path,
    run_dir: "Path | CloudPath",
    output: Path,
    step: int | None = None,
    num_samples: int = 6,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Measure how well a training run's model predicts the held-out melodies, and how it plays.

    Args:
        dataset: Folder that `convert` wrote.
        run_dir: Folder of the training run.
        output: Folder to make (anew): metrics.json and report.html.
        step: Which checkpoint; by default the one with the lowest held-out loss.
        num_samples: Samples to show in the report.
        seed: Of the samples.
        on_progress: Called with the parts done, and their number.

    Returns:
        What metrics.json holds.

    Raises:
        KakeaiError: A bad dataset, or no such checkpoint.
    """
    import numpy as np

    from kakeai.model import run as training_run
    from kakeai.model.continuation import continuations
    from kakeai.model.dataset import EVAL, TRAINING, read_dataset, read_dataset_info
    from kakeai.model.learning_curve import overfitting
    from kakeai.report.page import Evaluation, Sample, render

    if num_samples < 1:
        raise KakeaiError(f"--num-samples must be 1 or more, not {num_samples}")
    info = read_dataset_info(dataset)
    training, training_sources = read_dataset(dataset / TRAINING)
    held_out, held_out_sources = read_dataset(dataset / EVAL)
    if not training:
        raise KakeaiError(f"{dataset} has no training melodies; convert a larger corpus")
    run = training_run.read(run_dir)
    model, step = training_run.load_model(run_dir, step)

    metrics: dict[str, Any] = {
        "step": step,
        "config": run.config,
        "hparams": run.hparams,
        "corpus": info.fingerprint,
        "training_corpus": run.corpus["fingerprint"],
        "num_files": info.num_files,
        "num_rejected": info.num_rejected,
        "num_training_melodies": len(training),
        "num_eval_melodies": len(held_out),
    }
    metrics |= _predicting(model, training, held_out, lambda done: on_progress(done, PARTS))
    primers, sources = (held_out, held_out_sources) if held_out else (training, training_sources)
    chosen = np.random.default_rng(seed).permutation(len(primers))
    chosen = np.resize(chosen, max(num_samples, MEASURED_SAMPLES))
    played = continuations(model, [primers[i][:PRIMER_STEPS] for i in chosen], MEASURED_STEPS, seed)
    turns = [len(melody) - MEASURED_STEPS for melody in played]
    samples_sound, quotations = _listening("samples", played, turns, training)
    # What the tunes themselves have after the primer, if they are long enough to have anything.
    going_on = [melody[: PRIMER_STEPS + MEASURED_STEPS] for melody in held_out if len(melody) > PRIMER_STEPS]
    held_out_sound, _ = _listening("held_out", going_on, [PRIMER_STEPS] * len(going_on), training)
    metrics |= {"num_samples": len(played), **samples_sound, **held_out_sound}
    on_progress(3, PARTS)

    samples = [
        Sample(sources[chosen[i]], played[i], turns[i], quotation.notes, training_sources[quotation.source])
        for i, quotation in enumerate(quotations[:num_samples])
    ]
    curves = training_run.curves(run_dir)
    warning = overfitting(curves) if held_out else ""
    page = render(Evaluation(metrics, info.dropped, curves, warning, samples))
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside:
        folder = Path(aside, "evaluation")
        folder.mkdir()
        (folder / METRICS).write_text(json.dumps(metrics, indent=1))
        (folder / REPORT).write_text(page, encoding="utf-8")
        replace_folder(folder, output)
    on_progress(PARTS, PARTS)
    return metrics


def _predicting(
    model: "MelodyRnn",
    training: Sequence["np.ndarray"],
    held_out: Sequence["np.ndarray"],
    on_done: Callable[[int], None],
) -> dict[str, Any]:
    from kakeai.model.figures import Figures
    from kakeai.model.held_out import (
        Advantage,
        EventFigures,
        advantage,
        event_figures,
        predict,
        predict_by_ngram,
        squashed,
    )
    from kakeai.model.ngram import Ngram

    by_model = by_ngram = dict.fromkeys(EventFigures._fields)
    labels, gain = dict.fromkeys(Figures._fields), dict.fromkeys(Advantage._fields)
    beats_ngram = None
    if held_out:
        melodies = squashed(held_out, model.config)
        of_model, label_figures = predict(model, melodies)
        on_done(1)
        ngram = Ngram(squashed(training, model.config), model.config.min_note, model.config.max_note)
        of_ngram = predict_by_ngram(ngram, melodies)
        on_done(2)
        by_model, by_ngram = (event_figures(each)._asdict() for each in (of_model, of_ngram))
        labels = label_figures._asdict()
        gain = advantage(of_model, of_ngram)._asdict()
        beats_ngram = by_model["nll_per_step"] < by_ngram["nll_per_step"]
    return {
        **labels,
        **{f"model_{name}": value for name, value in by_model.items()},
        **{f"ngram_{name}": value for name, value in by_ngram.items()},
        "beats_ngram": beats_ngram,
        **{f"gain_{name}": value for name, value in gain.items()},
    }


def _listening(
    who: str, melodies: Sequence["np.ndarray"], turns: Sequence[int], training: Sequence["np.ndarray"]
) -> tuple[dict[str, Any], list["Quotation"]]:
    # What is heard of each melody from its turn on.
    from statistics import median

    from kakeai.model.quotation import longest_quotations
    from kakeai.music.listening import Sound, mean_sound, sound

    heard = dict.fromkeys([*Sound._fields, "quotation_median", "quotation_longest"])
    quotations = longest_quotations(
        [melody[turn:] for melody, turn in zip(melodies, turns, strict=True)], training
    )
    if melodies:
        heard |= mean_sound(sound(*each) for each in zip(melodies, turns, strict=True))._asdict()
        lengths = [quotation.notes for quotation in quotations]
        heard |= {"quotation_median": median(lengths), "quotation_longest": max(lengths)}
    return {f"{who}_{name}": value for name, value in heard.items()}, quotations


@component
def evaluate_component(  # noqa: ANN201  KFP reads the signature
    dataset: Input[Dataset],
    run: Input[Model],
    evaluation: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
):
    """Measure the run's best weights; `evaluation` holds metrics.json and report.html."""
    import shutil
    from pathlib import Path

    from components.evaluate import METRICS_TOLD, REPORT, evaluate
    from components.kubeflow import log_metrics
    from components.stage import stage

    with stage("evaluate") as running:
        figures = evaluate(
            Path(dataset.path), Path(run.path), Path(evaluation.path), on_progress=running.progress
        )
        shutil.copyfile(Path(evaluation.path, REPORT), report.path)
        log_metrics(metrics, figures)
        for name in METRICS_TOLD:
            value = figures[name]
            running.figures[name] = round(value, 3) if isinstance(value, float) else value
