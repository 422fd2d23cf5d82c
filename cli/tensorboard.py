"""`kakeai tensorboard`: the learning curves in the browser."""

import subprocess
import sys
from typing import Annotated

import typer

from kakeai.errors import KakeaiError
from kakeai.extras import require
from kakeai.storage import location


def tensorboard(
    run_dir: Annotated[str, typer.Argument(help="Folder of a training run, or of several, local or gs://.")],
    port: Annotated[int, typer.Option(help="Port to open it at.")] = 6006,
) -> None:
    """Open the learning curves at http://localhost:6006; Ctrl-C ends it.

    Example: kakeai tensorboard work/checkpoints
    """
    require("tensorboard", "kakeai tensorboard", "pipeline")
    if not location(run_dir).is_dir():
        raise KakeaiError(f"there is no folder {run_dir}; give the folder of a training run")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", run_dir, "--port", str(port)]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
