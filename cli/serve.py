"""`kakeai serve`: model server and gateway together, for a session in the browser."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from cli.generate import bundle_path
from cli.progress import console
from cli.tensorflow_notes import is_note
from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.storage import location

DEFAULT_MODEL = "kakeai"
READY_SECONDS = 120.0  # for loading a model on a small machine
POLL_SECONDS = 0.1
STOP_SECONDS = 15.0


def serve(
    store: Annotated[str | None, typer.Option(help="Model store to serve, a folder or gs://…")] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(envvar="MAGENTA_MODEL", help="Play with a .mag bundle straight away."),
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

    Examples: kakeai serve --store store, kakeai serve --bundle my_model.mag
    """
    if store is not None:
        bundle = None if os.environ.get("MAGENTA_MODEL") == str(bundle) else bundle
    if (store is None) == (bundle is None):
        raise KakeaiError("give either --store (what `kakeai pipeline run` filled) or --bundle (a .mag file)")
    for stop in (signal.SIGINT, signal.SIGTERM):  # an operator's stop is a player's Ctrl-C
        signal.signal(stop, signal.default_int_handler)
    # Before the ports: without a model none is of use.
    if bundle is not None:
        path = bundle_path(str(bundle))
        with console.status(f"reading {path}"):
            from kakeai.model.magenta.bundle import read_bundle

            network = read_bundle(path)
        models = [path.stem]
    else:
        network = None
        models = _models(str(store))
    model = model or (DEFAULT_MODEL if DEFAULT_MODEL in models else models[0])
    if model not in models:
        raise KakeaiError(f"{store or bundle} has no model {model!r}; it has {', '.join(models)}")
    _must_be_free(host, port, "--port")
    model_server_port = model_server_port or _free_port()
    _must_be_free("127.0.0.1", model_server_port, "--model-server-port")
    with tempfile.TemporaryDirectory() as folder:
        if network is not None:
            store = str(Path(folder, "store"))
            with console.status(f"preparing {model}"):
                from kakeai.model.saved_model import export

                export(network, Path(store, model, "1"), model)
        config = Path(folder, "models.config")
        config.write_text(_model_config(str(store), models), encoding="utf-8")
        quiet = {"KAKEAI_LOG_LEVEL": os.environ.get("KAKEAI_LOG_LEVEL", "warning")}
        settings = {
            **quiet,
            "KAKEAI_HOST": host,
            "KAKEAI_PORT": str(port),
            "KAKEAI_MODEL_SERVER": f"127.0.0.1:{model_server_port}",
            "KAKEAI_STORE": str(store),
            "KAKEAI_MODEL": model,
        }
        operations_port = os.environ.get("KAKEAI_OPERATIONS_PORT") or port
        server = [f"--port={model_server_port}", f"--model_config_file={config}"]
        with (
            _child("serving.model_server", server, quiet) as model_server_process,
            _child("serving.gateway", [], settings) as gateway,
        ):
            children = {"model server": model_server_process, "gateway": gateway}
            shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host
            with console.status(f"loading {model}"):
                _wait_until_ready(f"http://{shown}:{operations_port}/readyz", children)
            console.print(f"Play at [bold]http://{shown}:{port}[/]   (Ctrl-C ends it)", soft_wrap=True)
            _watch(children)


def model_server(context: typer.Context) -> None:
    """Serve a model store over TF Serving's gRPC API, with tensorflow_model_server's flags.

    Example: kakeai model-server --model_name=kakeai --model_base_path=store/kakeai
    """
    from serving.model_server.__main__ import main

    raise typer.Exit(main(context.args))


def _models(store: str) -> list[str]:
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


@contextmanager
def _child(module: str, arguments: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    # In a session of its own, so that Ctrl-C reaches it through us, once, and in order.
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",  # TensorFlow may log any bytes
        start_new_session=True,
    )
    shown = threading.Thread(target=_show, args=(process,), daemon=True)
    shown.start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shown.join(STOP_SECONDS)  # so that its last words are on the screen before ours


def _show(process: subprocess.Popen[str]) -> None:
    """Show what a process logs. It is read to its end whatever happens: a full pipe would stop the process."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            # Rich raises SystemExit where the screen is a pipe that nobody reads any more.
            with suppress(Exception, SystemExit):
                if not is_note(line.encode()):
                    console.print(line.rstrip(), style="dim", markup=False, soft_wrap=True)


def _wait_until_ready(url: str, children: dict[str, subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        _must_run(children)
        try:
            with urllib.request.urlopen(url, timeout=POLL_SECONDS * 10):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_SECONDS)
    raise KakeaiError(f"no model was ready within {READY_SECONDS:.0f} s; the lines above say why")


def _watch(children: dict[str, subprocess.Popen[str]]) -> None:
    try:
        while True:
            _must_run(children)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        console.print("\nstopping")


def _must_run(children: dict[str, subprocess.Popen[str]]) -> None:
    for name, process in children.items():
        if process.poll() is not None:
            raise KakeaiError(f"the {name} ended with status {process.returncode}; the lines above say why")
