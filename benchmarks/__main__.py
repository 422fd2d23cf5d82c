"""`make bench`: Magenta and Kakeai in turn on the same files; the table goes to `RESULTS.md`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import answers, curves, datasets, note_sequences, start, training, warm_start
from benchmarks.results import Figure, Row, report
from cli.oneills import oneills
from kakeai.stages.convert import convert
from kakeai.stages.ingest import ingest

TITLES = {
    "note_sequences": "MIDI → NoteSequences",
    "datasets": "NoteSequences → dataset",
    "training": "Training",
    "answers": "Answers",
    "start": "Start of a command",
    "curves": "Learning curves",
    "warm_start": "Warm start with few tunes",
}
VARIANTS = 5
LONG = ("curves", "warm_start")  # a quarter of an hour and more; only when asked for
# How each was measured, and where the time goes that an aim would want back.
NOTES = {
    "note_sequences": "Whole runs with everything imported. The machine was uneven that day: seven more runs of "
    "O'Neill's came to 7 to 20 ×, in the middle 15. Of their 0.77 s of processor time, the start of the readers "
    "takes 0.19, which 1,838 files are too few to earn back, the survey 0.08, feeding the readers and writing 0.15, "
    "reading 0.35. Of the 3.36 s for 9,190 files, the start takes 0.18, the survey 0.52, feeding and writing 0.79, "
    "reading 1.87; both cores are busy from the survey on.",
    "datasets": "Convert takes one core for so few melodies. What encoding once adds is TensorFlow's work on one batch "
    "after another; for attention_rnn most of the time.",
    "training": "The first steps, which compile one program for each width of a batch, are not counted. Where "
    "basic_rnn's time goes, by perf: 64 % matrix products and their packing, 19 % the gates, their gradients, dropout "
    "and the loss, 5 % copies, 4 % random numbers, 0.2 % the system, both cores 98 % busy. A step comes to 66 GFLOP/s; "
    "products of 32 rows by 128 units alone reach 104 on these two cores. The cores were slower that day than on 24 "
    "November, when such products reached 200.",
    "answers": "Magenta at its best: a graph for a batch of one for the single answer and for its generator, which "
    "plays one melody after another. Its graph for 64 has to be fed by hand, past the generator. Kakeai plays 64 as "
    "two batches of 32 side by side. A step is some 200 small operations; for one answer their dispatch is most of "
    "the time, for many the matrix products and the attention's window.",
    "start": "Magenta's programs are imported; Kakeai's commands show their help, whole processes both.",
    "curves": "Means of three seeds; melodies cut to 128 steps; both sides' weights are evaluated by Kakeai, without "
    "dropout. How far a side's own seeds lie apart is told beside its mean. Magenta reads its examples in mixed order: "
    "by itself it mixes a hundred neighbours of a book that goes kind by kind, which costs it 2.8 % at step 100.",
    "warm_start": "Means of three seeds, each with thirty hornpipes of its own; trainings end after four evaluations "
    "without a lower held-out loss, and the lowest counts.",
}


def main(
    pop909: Annotated[
        Path | None, typer.Option(help="Folder with POP909's MIDI files, to be read as well.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            help="Some parts: note_sequences, datasets, training, answers, start, curves, warm_start."
        ),
    ] = "",
) -> None:
    """Measure everything, or some parts of it.

    Example: python -m benchmarks --only note_sequences,start
    """
    with tempfile.TemporaryDirectory() as aside:
        corpus, sequences, dataset = (Path(aside, name) for name in ("oneills", "note_sequences", "dataset"))
        oneills(corpus)
        ingest(str(corpus), sequences)
        convert([sequences], dataset, "attention_rnn")
        note_sequences.write_variants(corpus, Path(aside, "variants"), VARIANTS)
        corpora = {"O'Neill's": corpus, f"O'Neill's, {VARIANTS} variants of each": Path(aside, "variants")}
        if pop909:
            corpora["POP909"] = pop909
        parts: dict[str, Callable[[], list[Row] | list[Figure]]] = {
            "note_sequences": lambda: note_sequences.measure(corpora),
            "datasets": lambda: datasets.measure(sequences),
            "training": lambda: training.measure(dataset),
            "answers": answers.measure,
            "start": start.measure,
            "curves": lambda: curves.measure(dataset),
            "warm_start": lambda: warm_start.measure(dataset),
        }
        chosen = only.split(",") if only else [name for name in parts if name not in LONG]
        if unknown := [name for name in chosen if name not in parts]:
            raise typer.BadParameter(f"there is no part {unknown[0]!r}; there are {', '.join(parts)}")
        for name in chosen:
            report(TITLES[name], parts[name](), NOTES[name])


if __name__ == "__main__":
    typer.run(main)
