"""Containers of the images that `make images` built, on whichever engine there is: docker or podman."""

import os
import shutil
import subprocess
import tempfile
import time
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SECURE = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=10001:10001"]
SOCKET_SECONDS = 20


class Engine:
    """A container engine's command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __call__(self, *arguments: str) -> str:
        """Run it; what it prints."""
        ran = subprocess.run([self.command, *arguments], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def image(self, name: str) -> str:
        """The name by which the engine lists one of our images."""
        prefix = "localhost/" if self.command == "podman" else ""
        return f"{prefix}kakeai/{name}:{VERSION}"

    @contextmanager
    def running(self, image: str, *options: str, arguments: tuple[str, ...] = ()) -> Iterator[str]:
        """The name of a container that runs an image as a cluster would: no root, no rights, nothing to write."""
        name = f"kakeai-{uuid.uuid4().hex[:8]}"
        try:
            self(
                "run",
                "--detach",
                "--name",
                name,
                *SECURE,
                "--tmpfs=/tmp",
                *options,
                self.image(image),
                *arguments,
            )
            yield name
        finally:
            subprocess.run([self.command, "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """An engine that answers; without one these tests are left out."""
    for command in ("docker", "podman"):
        if (
            shutil.which(command)
            and subprocess.run([command, "info"], capture_output=True, check=False).returncode == 0
        ):
            return Engine(command)
    pytest.skip("neither docker nor podman answers on this machine")


@pytest.fixture(scope="session")
def engine_socket(engine: Engine) -> Iterator[None]:
    """The engine's API, for clients that read DOCKER_HOST."""
    if engine.command == "docker" or "DOCKER_HOST" in os.environ:
        yield
        return
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()), "podman.sock")
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        command = ["podman", "system", "service", "--time=0", f"unix://{path}"]
        service = stack.enter_context(subprocess.Popen(command))
        stack.callback(service.terminate)
        deadline = time.monotonic() + SOCKET_SECONDS
        while not path.exists():
            assert time.monotonic() < deadline, "podman offers no socket"
            time.sleep(0.05)
        patch.setenv("DOCKER_HOST", f"unix://{path}")
        yield
