"""`make lighthouse`: Lighthouse's scores of the session page, as the gateway serves it with a model behind it.

The page is the built one. Lighthouse slows network and processor down to those of a middling phone by itself.
"""

import gzip
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.results import Figure, report
from benchmarks.served import export_models, gateway, model_server
from kakeai.errors import KakeaiError

LIGHTHOUSE = Path(__file__).with_name("lighthouse")
BUILT = Path(__file__).parents[1] / "serving" / "web" / "dist"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LEAST_SCORE = 95.0
MOST_JAVASCRIPT_KB = 250.0
NOTE = "`make lighthouse`; medians of three runs. Scores vary with what else the machine does."


def page_figures(folder: Path) -> list[Figure]:
    """Scores on a phone and on a desktop, and what the page's JavaScript weighs."""
    export_models(folder / "store")
    with (
        model_server(folder / "store", folder / "model_server.log", batched=True) as server,
        gateway(server, folder / "gateway.log") as front,
    ):
        scores = _lighthouse(f"http://{front.address}/")
    weight = sum(len(gzip.compress(file.read_bytes())) for file in BUILT.rglob("*.js")) / 1000
    return [
        *(
            Figure(f"Lighthouse, {category}", screen, "%", score, LEAST_SCORE)
            for screen, categories in scores.items()
            for category, score in categories.items()
        ),
        Figure("JavaScript, without samples", "all of it, gzipped", "kB", weight, MOST_JAVASCRIPT_KB),
    ]


def _lighthouse(url: str) -> dict[str, dict[str, float]]:
    """Scores of 100 by screen and category. Raises KakeaiError where there is no browser."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise KakeaiError("no Chromium here: install it, or set CHROMIUM to its path")
    command = ["node", str(LIGHTHOUSE / "measure.mjs"), url]
    environment = {**os.environ, "CHROME_PATH": browser}
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    """Measure and report. Raises SystemExit where a limit is not kept."""
    with tempfile.TemporaryDirectory() as temporary:
        figures = page_figures(Path(temporary))
    report("Session page", figures, NOTE)
    if not all(figure.is_met for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
