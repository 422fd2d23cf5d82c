"""How a model is trained, as options."""

from typing import Annotated

import typer

WarmStart = Annotated[
    str,
    typer.Option(
        help="Begin with the weights of a bundle (.mag) or of a version in a store (STORE/MODEL/VERSION), "
        "local or gs://.",
        show_default=False,
    ),
]
EarlyStopping = Annotated[
    int,
    typer.Option(
        help="Stop after so many evaluations (every 50 steps) without a lower held-out loss; 0 for never.",
        min=0,
    ),
]
MixedPrecision = Annotated[
    str,
    typer.Option(
        help="Compute products in bfloat16 or float16, for machines that have units for it.",
        show_default=False,
    ),
]
Gpus = Annotated[int, typer.Option(help="GPUs of this machine that share each batch; 0 for all.", min=0)]
