"""What a model is made by, as options: its configuration, and the rules by which melodies are found."""

from typing import Annotated

import typer

from kakeai.model.configs import CONFIGS
from kakeai.music.extraction import Extraction, Polyphony

MAGENTA = Extraction()  # its rules are the defaults


ConfigName = Annotated[str, typer.Option(help=f"One of {', '.join(CONFIGS)}.")]
MinBars = Annotated[int, typer.Option(help="Shorter melodies are dropped.")]
MaxSteps = Annotated[int, typer.Option(help="Longer ones are cut, in 16ths.")]
MinUniquePitches = Annotated[int, typer.Option(help="Melodies of fewer pitches are dropped.")]
GapBars = Annotated[float, typer.Option(help="A melody ends where nothing sounds for so many bars.")]
PolyphonyRule = Annotated[
    Polyphony, typer.Option(help="Where notes begin together: drop the track, or take the top one.")
]
Transpose = Annotated[
    str,
    typer.Option(
        help="Add copies of each training melody, so many semitones lower to higher, such as -5..6; for "
        "mono_rnn, as the others move every melody to one key.",
        show_default=False,
    ),
]
