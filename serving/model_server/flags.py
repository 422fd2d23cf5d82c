"""tensorflow_model_server's flags: those that are followed here, and why the others are not."""

import argparse
import re
import threading
from pathlib import Path
from typing import Any

# Nothing that a client sees depends on them.
WITHOUT_EFFECT = {
    "allow_version_labels_for_unavailable_models": "a new label may always stand for a version still to come",
    "enable_grpc_healthcheck_service": "health is always served",
    "enable_model_warmup": "warm-up requests are always replayed",
    "enable_profiler": "there is no profiler service",
    "flush_filesystem_caches": "the operating system sees to them",
    "load_retry_interval_micros": "a version that cannot be loaded is tried again when its files change",
    "max_num_load_retries": "a version that cannot be loaded is tried again when its files change",
    "num_load_threads": "one thread loads, beside those that answer",
    "num_request_iterations_for_warmup": "each warm-up request is replayed once",
    "num_unload_threads": "a thread of its own unloads each version",
    "per_process_gpu_memory_fraction": "TensorFlow's own default holds",
    "remove_unused_fields_from_bundle_metagraph": "they are never kept",
    "rest_api_enable_cors_support": "there is no REST API",
    "rest_api_num_threads": "there is no REST API",
    "rest_api_timeout_in_ms": "there is no REST API",
    "tensorflow_inter_op_parallelism": "each run has one thread",
    "tensorflow_intra_op_parallelism": "each run has one thread",
}
REFUSED = {
    "enable_per_model_batching_parameters": "all models are batched alike; give --batching_parameters_file",
    "grpc_socket_path": "give --port",
    "platform_config_file": "only SavedModels on TensorFlow are served",
    "prefer_tflite_model": "TensorFlow Lite models are not served",
    "saved_model_tags": 'the tag is "serve"',
    "ssl_config_file": "this server speaks without TLS; put a proxy in front of it",
    "tensorflow_session_config_file": "the session's settings are fixed",
    "use_alts_credentials": "this server speaks without TLS; put a proxy in front of it",
}

INT32 = range(-(2**31), 2**31)


def parser() -> argparse.ArgumentParser:
    """The flags, with tensorflow_model_server's names and, unless their help says why not, its defaults."""
    flags = argparse.ArgumentParser(
        prog="python -m serving.model_server",
        description="TF Serving's gRPC API over a model store on this machine.",
        epilog=f"without effect here:\n{_listed(WITHOUT_EFFECT)}\n\nrefused:\n{_listed(REFUSED)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.add_argument("--port", type=int, default=8500, help="port for gRPC; 0 takes a free one (8500)")
    flags.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)"
    )
    flags.add_argument("--model_name", help="name of the model to clients (default)")
    flags.add_argument("--model_base_path", help="folder or gs:// address of the model's versions")
    flags.add_argument(
        "--model_config_file",
        type=Path,
        help="ModelServerConfig text proto that names any number of models; the two flags above are ignored then",
    )
    flags.add_argument(
        "--model_config_file_poll_wait_seconds",
        type=_seconds,
        default=0.0,
        help="seconds between readings of the config file; 0 reads it once, at the start (0)",
    )
    flags.add_argument(
        "--file_system_poll_wait_seconds",
        type=_seconds,
        default=1.0,
        help="seconds between searches for new versions; 0 searches once, at the start (1)",
    )
    flags.add_argument("--enable_batching", **_switch("run requests that wait together as one (false)"))
    flags.add_argument(
        "--batching_parameters_file",
        type=Path,
        help="BatchingParameters text proto, in place of TF Serving's defaults: max_batch_size 1000, "
        "batch_timeout_micros 0, max_enqueued_batches 10, num_batch_threads one a processor",
    )
    flags.add_argument(
        "--grpc_max_threads",
        type=_count,
        help="Predict requests that run or wait at once; one beyond is told RESOURCE_EXHAUSTED "
        "(128: TF Serving's four a processor fill no batch)",
    )
    flags.add_argument(
        "--grpc_channel_arguments",
        type=_channel_arguments,
        default={},
        metavar="KEY=VALUE,…",
        help="settings of the gRPC server, such as grpc.max_connection_age_ms=20000: clients connect anew after "
        "20 seconds, and so reach servers that came later (none)",
    )
    flags.add_argument(
        "--tensorflow_session_parallelism",
        type=int,
        default=0,
        help="requests that run at once without batching, one thread each; 0 means four a processor (0)",
    )
    flags.add_argument(
        "--rest_api_port",
        type=int,
        default=0,
        help="port for the metrics of --monitoring_config_file; there is no REST API on it (0: none)",
    )
    flags.add_argument(
        "--monitoring_config_file",
        type=Path,
        help="MonitoringConfig text proto: whether Prometheus can read metrics, and at which path",
    )
    for name in WITHOUT_EFFECT:
        flags.add_argument(f"--{name}", nargs="?", const="", help=argparse.SUPPRESS)
    for name in REFUSED:
        flags.add_argument(f"--{name}", nargs="?", const="", action=_Refuse, help=argparse.SUPPRESS)
    return flags


class _Refuse(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401  (argparse's own)
        option_string: str | None = None,
    ) -> None:
        if values not in ("0", "false"):  # as good as not given
            parser.error(f"--{self.dest}: {REFUSED[self.dest]}")


def _listed(reasons: dict[str, str]) -> str:
    return "\n".join(f"  --{name}\n{'':24}{why}" for name, why in reasons.items())


def _switch(help: str) -> dict[str, Any]:
    return {"nargs": "?", "const": True, "default": False, "type": _truth, "help": help}


def _truth(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return text in ("true", "1")


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _channel_arguments(text: str) -> dict[str, int | str]:
    # As TF Serving's server.cc reads them: a value that is an int32 is passed as a number, any other as a string.
    return dict(_channel_argument(each) for each in text.split(",") if each)


def _channel_argument(text: str) -> tuple[str, int | str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE")
    is_number = re.fullmatch(r"-?[0-9]+", value) and int(value) in INT32
    return key, int(value) if is_number else value


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 on")
    return seconds
