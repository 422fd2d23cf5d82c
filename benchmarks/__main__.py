"""`make bench`: Magenta and Kakeai in turn on the same files; the table goes to `RESULTS.md`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import answers, curves, datasets, note_sequences, start, training
from benchmarks.results import Figure, Row, report
from cli.corpus import oneills
from components.convert import convert
from components.ingest import ingest

TITLES = {
    "note_sequences": "MIDI → NoteSequences",
    "datasets": "NoteSequences → dataset",
    "training": "Training",
    "answers": "Answers",
    "start": "Start of a command",
    "curves": "Learning curves",
}
LONG = ("curves",)  # an hour; only when asked for
NOTE = (
    "Medians of runs in turn (`make bench`). Magenta answers at its best: from a bundle saved with a batch of one "
    "for a single answer. The modules in `benchmarks/` say what is counted."
)


def main(
    pop909: Annotated[
        Path | None, typer.Option(help="Folder with POP909's MIDI files, to be read as well.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Some parts: note_sequences, datasets, training, answers, start, curves.")
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
        corpora = {"O'Neill's": corpus, **({"POP909": pop909} if pop909 else {})}
        parts: dict[str, Callable[[], list[Row] | list[Figure]]] = {
            "note_sequences": lambda: note_sequences.measure(corpora),
            "datasets": lambda: datasets.measure(sequences),
            "training": lambda: training.measure(dataset),
            "answers": answers.measure,
            "start": start.measure,
            "curves": lambda: curves.measure(dataset),
        }
        chosen = only.split(",") if only else [name for name in parts if name not in LONG]
        if unknown := [name for name in chosen if name not in parts]:
            raise typer.BadParameter(f"there is no part {unknown[0]!r}; there are {', '.join(parts)}")
        for name in chosen:
            report(TITLES[name], parts[name](), NOTE)


if __name__ == "__main__":
    typer.run(main)
