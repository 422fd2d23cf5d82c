"""`python -m serving.model_server`: the model server with tensorflow_model_server's flags."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from serving.model_server.port import check_free

if TYPE_CHECKING:
    from serving.model_server.config import ServedModel

DRAIN_SECONDS = 10.0  # a third of the time that Kubernetes gives a container to end
USER_ERROR = 2
ENDING_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    flags = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Blocked before there is a second thread, and so in every thread: the signals wait for `sigwait`. A
    # handler would not do, for a signal that another thread takes does not wake the main one from a lock.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        _serve(flags)
    except KakeaiError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.model_server",
        description="TF Serving's gRPC API over a model store on this machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8500, help="port for gRPC; 0 takes a free one (8500)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)"
    )
    parser.add_argument("--model_name", help="name of the model to clients (default)")
    parser.add_argument("--model_base_path", help="folder or gs:// address of the model's versions")
    parser.add_argument(
        "--model_config_file", type=Path, help="ModelServerConfig text proto, in place of the two above"
    )
    parser.add_argument(
        "--file_system_poll_wait_seconds",
        type=_seconds,
        default=1.0,
        help="seconds between searches for new versions; 0 searches once, at the start (1)",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 on")
    return seconds


def _serve(flags: argparse.Namespace) -> None:
    # What is wrong with the flags is said at once, not after the seconds that TensorFlow takes to import.
    check_free(flags.host, flags.port)
    models = _models(flags)
    # TensorFlow greets with a page of notes about the processor unless this is set before it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    from serving.model_server.server import ModelServer

    server = ModelServer(models, flags.port, flags.host, flags.file_system_poll_wait_seconds)
    server.start()
    signal.sigwait(ENDING_SIGNALS)
    for (
        number
    ) in ENDING_SIGNALS:  # Ctrl-C reaches us and whoever started us, who then tells us to end once more
        signal.signal(number, signal.SIG_IGN)
    server.stop(DRAIN_SECONDS)


def _models(flags: argparse.Namespace) -> "list[ServedModel]":
    from serving.model_server.config import ServedModel, read_config_file

    if flags.model_config_file:
        if flags.model_name or flags.model_base_path:
            raise KakeaiError(
                "Give either --model_config_file, or --model_name and --model_base_path, not both."
            )
        return read_config_file(flags.model_config_file)
    if not flags.model_base_path:
        raise KakeaiError("Say what to serve: --model_base_path=FOLDER, or --model_config_file=FILE.")
    return [ServedModel(flags.model_name or "default", flags.model_base_path)]


if __name__ == "__main__":
    sys.exit(main())
