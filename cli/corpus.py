"""`kakeai corpus`: corpora to try Kakeai with."""

from pathlib import Path
from typing import Annotated

import typer

from cli.progress import console, stage_bar

app = typer.Typer(help="Write a corpus to try Kakeai with.", no_args_is_help=True)


@app.callback()
def corpus() -> None:
    """Write a corpus to try Kakeai with."""


@app.command()
def oneills(
    directory: Annotated[Path, typer.Argument(help="Folder to write the .mid files to.")],
    tunes: Annotated[int | None, typer.Option(help="Only the first so many.", min=1)] = None,
) -> None:
    """Write the tunes of O'Neill's *Music of Ireland* (1850) as MIDI files.

    Example: kakeai corpus oneills corpus
    """
    from cli.oneills import oneills as write

    with stage_bar() as bar:
        count = write(directory, tunes, lambda done, total: bar.show("corpus", done, total))
    console.print(f"{count:,} tunes of O'Neill's Music of Ireland in {directory}")
