"""A gateway of a test's own, as a process that can be killed and started again at the same address."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

START_SECONDS = 60


class GatewayProcess:
    """A real gateway with settings; not started yet."""

    def __init__(self, **settings: object) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        own = {f"KAKEAI_{name.upper()}": str(value) for name, value in settings.items()}
        usual = {name: value for name, value in os.environ.items() if not name.startswith("KAKEAI_")}
        self._environment = {**usual, "KAKEAI_PORT": str(self._port), "KAKEAI_LOG_LEVEL": "warning", **own}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run until it listens, at the same address each time."""
        self._process = subprocess.Popen([sys.executable, "-m", "serving.gateway"], env=self._environment)
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process.poll() is None, "the gateway ended"
            assert time.monotonic() < deadline, "the gateway does not listen"
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a machine that goes away does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
