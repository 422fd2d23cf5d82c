"""The `kakeai` command."""

import os
import sys

import typer

from cli import generate, pipeline, serve, stages, tensorboard
from cli.progress import console
from cli.tensorflow_notes import keep_notes_away
from kakeai.errors import KakeaiError

BAD_INPUT = 2  # exit status
INTERRUPTED = 130  # exit status, 128 + SIGINT

app = typer.Typer(
    help="Kakeai (掛け合い): turn MIDI files into a partner to play with.\n\n"
    "From files to a session in one go: kakeai pipeline run --corpus my-midi --store store, "
    "then kakeai serve --store store.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
stages.add_to(app)
app.add_typer(pipeline.app, name="pipeline")
app.command()(generate.generate)
app.command()(serve.serve)
app.command("model-server", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    serve.model_server
)
app.command()(tensorboard.tensorboard)


def main() -> None:
    """Run the command; what the user can put right is one sentence and exit status 2."""
    keep_notes_away()
    try:
        app()
    except KakeaiError as error:
        console.stderr = True
        console.print(f"[bold red]kakeai:[/] {error}", markup=True, soft_wrap=True)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
