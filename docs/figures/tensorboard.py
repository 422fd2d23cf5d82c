"""TensorBoard as it shows a training, as a picture."""

import socket
import subprocess
import sys
from pathlib import Path

from docs.figures.browser import open_page

WIDTH, HEIGHT = 1180, 640


def picture(runs: Path, name: str, file: Path) -> None:
    """Write what TensorBoard shows of the training `name` in the folder `runs`, a PNG file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", name, "--port", str(port)]
    with subprocess.Popen(command, cwd=runs, stderr=subprocess.DEVNULL) as serving:
        try:
            address = f"http://127.0.0.1:{port}/?darkMode=false#scalars"
            with open_page(address, WIDTH, HEIGHT, serving) as page:
                page.get_by_text("tag: loss").wait_for()
                page.wait_for_load_state("networkidle")
                page.screenshot(path=file, animations="disabled")
        finally:
            serving.terminate()
