"""`kakeai serve`: the session page, with a model server of its own or in front of another."""

import json
import os
import re
import signal
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.children import POLL_SECONDS, Children, child, must_run, watch
from cli.generate import bundle_path
from cli.progress import console
from kakeai import store as model_store
from kakeai.errors import KakeaiError, ServiceError
from kakeai.extras import require
from kakeai.storage import location

if TYPE_CHECKING:
    from kakeai.model.network.melody_rnn import MelodyRnn

DEFAULT_MODEL = "kakeai"
READY_SECONDS = 120.0  # for loading a model on a small machine

_ADDRESS = re.compile(r"\S+:\d{1,5}")


def serve(
    store: Annotated[str | None, typer.Option(help="Model store to serve, a folder or gs://…")] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(envvar="MAGENTA_MODEL", help="Play with a .mag bundle straight away."),
    ] = None,
    model_server: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Play with the models of a model server that already runs; no TensorFlow is needed here.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model that answers by default.")] = None,
    host: Annotated[
        str, typer.Option(help="Address of the page; 0.0.0.0 for the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8080,
    model_server_port: Annotated[
        int | None, typer.Option(help="Port of the model server's gRPC; any free one by default.")
    ] = None,
) -> None:
    """Serve the session page and what it plays with, until Ctrl-C.

    Examples: kakeai serve --store store, kakeai serve --bundle my_model.mag, kakeai serve --model-server localhost:8500
    """
    if bundle is not None and (store or model_server) and os.environ.get("MAGENTA_MODEL") == str(bundle):
        bundle = None  # an option counts more than the environment
    if [store, bundle, model_server].count(None) != 2:
        raise KakeaiError(
            "give one of --store (what `kakeai pipeline run` filled), --bundle (a .mag file) and --model-server "
            "(HOST:PORT of a model server that runs)"
        )
    if model_server is not None:
        _check_address(model_server, model_server_port)
    for stop in (signal.SIGINT, signal.SIGTERM):  # SIGTERM stops it as Ctrl-C does
        signal.signal(stop, signal.default_int_handler)
    quiet = {"KAKEAI_LOG_LEVEL": os.environ.get("KAKEAI_LOG_LEVEL", "warning")}
    settings = {**quiet, "KAKEAI_HOST": host, "KAKEAI_PORT": str(port)}
    children: Children = {}
    with ExitStack() as stack:
        if model_server is not None:
            _must_be_free(host, port, "--port")
            settings["KAKEAI_MODEL_SERVER"] = model_server
            if model is not None:
                settings["KAKEAI_MODEL"] = model
            waiting = f"waiting for a model of {model_server}"
        else:
            models, network = _bundle(bundle) if bundle is not None else (_models(str(store)), None)
            model = model or (DEFAULT_MODEL if DEFAULT_MODEL in models else models[0])
            if model not in models:
                raise KakeaiError(f"{store or bundle} has no model {model!r}; it has {', '.join(models)}")
            _must_be_free(host, port, "--port")
            model_server_port = model_server_port or _free_port()
            _must_be_free("127.0.0.1", model_server_port, "--model-server-port")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if network is not None:
                store = str(folder / "store")
                with console.status(f"preparing {model}"):
                    from kakeai.model.saved_model import export

                    export(network, Path(store, model, "1"), model)
            config = folder / "models.config"
            config.write_text(_model_config(str(store), models), encoding="utf-8")
            arguments = [f"--port={model_server_port}", f"--model_config_file={config}"]
            children["model server"] = stack.enter_context(child("serving.model_server", arguments, quiet))
            settings |= {
                "KAKEAI_MODEL_SERVER": f"127.0.0.1:{model_server_port}",
                "KAKEAI_STORE": str(store),
                "KAKEAI_MODEL": model,
            }
            waiting = f"loading {model}"
        children["gateway"] = stack.enter_context(child("serving.gateway", [], settings))
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
        operations_port = os.environ.get("KAKEAI_OPERATIONS_PORT") or port
        with console.status(waiting) as status:
            _wait_until_ready(
                f"http://{shown}:{operations_port}/readyz",
                children,
                lambda reason: status.update(f"{waiting}: {escape(reason)}"),
            )
        console.print(f"Play at [bold]http://{shown}:{port}[/]   (Ctrl-C ends it)", soft_wrap=True)
        watch(children)


def model_server(context: typer.Context) -> None:
    """Serve a model store over TF Serving's gRPC API, with tensorflow_model_server's flags.

    Example: kakeai model-server --model_name=kakeai --model_base_path=store/kakeai
    """
    from serving.model_server.__main__ import main

    raise typer.Exit(main(context.args))


def _check_address(model_server: str, model_server_port: int | None) -> None:
    if model_server_port is not None:
        raise KakeaiError("leave --model-server-port out: --model-server names the port")
    if not _ADDRESS.fullmatch(model_server):
        raise KakeaiError(f"--model-server must be HOST:PORT, not {model_server!r}")


def _bundle(bundle: Path) -> tuple[list[str], "MelodyRnn"]:
    """Return the name of a bundle's model, as the only one of a list, and the model."""
    path = bundle_path(str(bundle))
    require("keras", "kakeai serve --bundle", "pipeline")
    with console.status(f"reading {path}"):
        from kakeai.model.magenta.bundle import read_bundle

        return [path.stem], read_bundle(path)


def _models(store: str) -> list[str]:
    require("tensorflow", "kakeai serve --store", "model-server")
    folder = location(store)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    models = [name for name in names if model_store.versions(folder, name)]
    if not models:
        raise KakeaiError(
            f"the store {store} has no model; fill it with `kakeai pipeline run --store {store}`"
        )
    return models


def _model_config(store: str, models: list[str]) -> str:
    """The text of a --model_config_file, for the model server. Raises KakeaiError for a path that is not UTF-8."""
    from google.protobuf import text_format

    from kakeai.protos.tensorflow_serving.config.model_server_config_pb2 import (
        ModelServerConfig,
    )

    folder = location(store)
    config = ModelServerConfig()
    for name in models:
        path = folder / name
        entry = config.model_config_list.config.add(model_platform="tensorflow")
        try:
            entry.name, entry.base_path = name, str(path.absolute() if isinstance(path, Path) else path)
        except UnicodeEncodeError:
            raise KakeaiError(f"the path {str(path)!a} is not UTF-8; rename the folder") from None
        # Two versions: a session that began with one goes on with it when the next is released.
        entry.model_version_policy.latest.num_versions = 2
    return text_format.MessageToString(config)


def _must_be_free(host: str, port: int, option: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise KakeaiError(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another with {option}"
            ) from None


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def _wait_until_ready(url: str, children: Children, on_wait: Callable[[str], None]) -> None:
    """Return when the gateway is ready; `on_wait` gets the gateway's sentence that says why it is not.

    Raises:
        KakeaiError: A child ended.
        ServiceError: No model is ready after READY_SECONDS.
    """
    deadline = time.monotonic() + READY_SECONDS
    reason = "the lines above say why"
    while time.monotonic() < deadline:
        must_run(children)
        try:
            with urllib.request.urlopen(url, timeout=POLL_SECONDS * 10):
                return
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("detail", reason)
            on_wait(reason)
        except OSError:  # the gateway does not listen yet
            pass
        time.sleep(POLL_SECONDS)
    raise ServiceError(f"no model was ready within {READY_SECONDS:.0f} s: {reason}")
