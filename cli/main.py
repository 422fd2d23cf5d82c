"""The `kakeai` command."""

import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from cli import corpus, generate, models, pipeline, serve, stages, tensorboard
from cli.tensorflow_notes import keep_notes_away
from kakeai.disk import as_disk_error
from kakeai.errors import ExitStatus, KakeaiError
from kakeai.extras import MissingExtraError

app = typer.Typer(
    help="Kakeai (掛け合い): turn MIDI files into a partner to play with.\n\n"
    "From files to a session in one go: kakeai pipeline run --corpus my-midi --store store, "
    "then kakeai serve --store store.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(corpus.app, name="corpus")
for stage in stages.COMMANDS.values():
    app.command()(stage)
app.add_typer(pipeline.app, name="pipeline")
app.add_typer(models.app, name="models")
app.command()(generate.generate)
app.command()(serve.serve)
app.command("model-server", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    serve.model_server
)
app.command()(tensorboard.tensorboard)

_OWN = {"cli", "components", "kakeai", "pipelines", "serving"}


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"kakeai {version('kakeai')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; what the user can put right is one sentence and an exit status."""
    keep_notes_away()
    try:
        app()
    except KakeaiError as error:
        _refuse(error)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _OWN:
            raise
        command = _command(sys.argv[1:])
        extra = "model-server" if command == "model-server" else "pipeline"
        _refuse(MissingExtraError(f"kakeai {command}", extra))
    except KeyboardInterrupt:
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.FAULT)
    except OSError as error:
        disk_error = as_disk_error(error)
        if disk_error is None:
            raise
        _refuse(disk_error)


def _command(arguments: list[str]) -> str:
    """Return the words of a command line that name its command, such as `pipeline run`."""
    command, words = typer.main.get_command(app), list[str]()
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    return " ".join(words)


def _refuse(error: KakeaiError) -> NoReturn:
    screen = Console(stderr=True, highlight=False)
    screen.print(f"[bold red]kakeai:[/] {escape(str(error))}", markup=True, soft_wrap=True)
    sys.exit(error.exit_status)
