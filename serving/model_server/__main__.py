"""`python -m serving.model_server`: the model server with tensorflow_model_server's flags."""

import argparse
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from serving.model_server.flags import parser
from serving.model_server.port import check_free

if TYPE_CHECKING:
    from serving.model_server.batching_parameters import BatchingParameters
    from serving.model_server.config import ServedModel

DRAIN_SECONDS = 10.0  # a third of the time that Kubernetes gives a container to end
USER_ERROR = 2
ENDING_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    flags = parser().parse_args(arguments)
    named = os.environ.get("KAKEAI_LOG_LEVEL", "info").upper()  # as the gateway's
    level = logging.getLevelNamesMapping().get(named, logging.INFO)
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
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


def _serve(flags: argparse.Namespace) -> None:
    # What is wrong with the flags is said at once, not after the seconds that TensorFlow takes to import.
    check_free(flags.host, flags.port)
    models = _models(flags)
    batching = _batching(flags)
    metrics_path = _metrics_path(flags)
    # TensorFlow greets with a page of notes about the processor unless this is set before it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    from serving.model_server.server import ModelServer

    server = ModelServer(
        models,
        flags.port,
        flags.host,
        flags.file_system_poll_wait_seconds,
        batching,
        channel_arguments=flags.grpc_channel_arguments,
        **_given(max_predicts=flags.grpc_max_threads, max_runs=flags.tensorflow_session_parallelism),
    )
    gc.freeze()  # TensorFlow's 300,000 objects stay: looking through them would stop all answers for 0.2 s
    server.start()
    if metrics_path:
        server.serve_metrics(metrics_path, flags.rest_api_port)
    if flags.model_config_file and flags.model_config_file_poll_wait_seconds:
        server.follow(flags.model_config_file, flags.model_config_file_poll_wait_seconds)
    signal.sigwait(ENDING_SIGNALS)
    for number in ENDING_SIGNALS:
        # Ctrl-C reaches us and whoever started us, who then tells us to end once more.
        signal.signal(number, signal.SIG_IGN)
    server.stop(DRAIN_SECONDS)


def _models(flags: argparse.Namespace) -> "list[ServedModel]":
    from serving.model_server.config import ServedModel, read_config_file

    if flags.model_config_file:
        return read_config_file(flags.model_config_file)
    if not flags.model_base_path:
        raise KakeaiError("Say what to serve: --model_base_path=FOLDER, or --model_config_file=FILE.")
    return [ServedModel(flags.model_name or "default", flags.model_base_path)]


def _batching(flags: argparse.Namespace) -> "BatchingParameters | None":
    from serving.model_server.batching_parameters import BatchingParameters, read_batching_parameters

    if not flags.enable_batching:
        if flags.batching_parameters_file:
            raise KakeaiError("--batching_parameters_file counts only with --enable_batching: add it.")
        return None
    if not flags.batching_parameters_file:
        return BatchingParameters()
    return read_batching_parameters(flags.batching_parameters_file)


def _metrics_path(flags: argparse.Namespace) -> str | None:
    from serving.model_server.monitoring import read_monitoring_config

    if not flags.monitoring_config_file:
        if flags.rest_api_port:
            raise KakeaiError(
                "--rest_api_port has only the metrics of --monitoring_config_file here, and no REST API: give both."
            )
        return None
    path = read_monitoring_config(flags.monitoring_config_file)
    if path and not flags.rest_api_port:
        raise KakeaiError(f"{flags.monitoring_config_file} counts only with --rest_api_port=PORT: add it.")
    check_free(flags.host, flags.rest_api_port)
    return path


def _given(**arguments: int | None) -> dict[str, int]:
    return {name: value for name, value in arguments.items() if value}


if __name__ == "__main__":
    sys.exit(main())
