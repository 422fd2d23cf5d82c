"""The port where Prometheus reads the metrics: TF Serving's `--monitoring_config_file` and `--rest_api_port`."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kakeai.protos.kakeai.serving_config_pb2 import MonitoringConfig
from serving.model_server.port import check_free
from serving.model_server.text_proto import read_text_proto

DEFAULT_PATH = "/monitoring/prometheus/metrics"
REQUEST_SECONDS = 10.0  # for a client to say what it wants


def read_monitoring_config(path: Path) -> str | None:
    """The path at which a MonitoringConfig text proto wants the metrics; None if it does not enable them.

    Raises KakeaiError if the file cannot be read.
    """
    config = read_text_proto(path, MonitoringConfig(), "monitoring config").prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else None


class MonitoringServer:
    """Serves one page of text over HTTP, at one path."""

    def __init__(self, host: str, port: int, path: str, page: Callable[[], str]) -> None:
        """Serve what `page` returns from now on; port 0 takes a free one. Raises KakeaiError if none can be had."""
        check_free(host, port)

        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_SECONDS

            def do_GET(self) -> None:
                asked = self.path.partition("?")[0]
                told = page() if asked == path else f"Unexpected path: {asked}. Should be {path}"
                content = told.encode()
                self.send_response(200 if asked == path else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass  # Prometheus asks every few seconds

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
