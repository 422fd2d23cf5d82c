"""What it takes until a command does anything: Magenta's programs, imported, beside Kakeai's, showing their help."""

import sys
from pathlib import Path

from benchmarks.results import Row
from benchmarks.timing import in_turn, process

TIMES = 5
KAKEAI = str(Path(sys.executable).with_name("kakeai"))
# Kakeai's command → the module of Magenta's that does the same.
PROGRAMS = {
    "ingest": "magenta.scripts.convert_dir_to_note_sequences",
    "train": "magenta.models.melody_rnn.melody_rnn_train",
    "generate": "magenta.models.melody_rnn.melody_rnn_generate",
}


def measure() -> list[Row]:
    """Return seconds from the start of a process to its end, medians of five.

    Magenta's side only imports the program: its `--help` exits with an error's status.
    """
    rows = []
    for command, module in PROGRAMS.items():
        # As `kakeai.model` does it: Magenta wants the Keras of its day.
        program = f"import os; os.environ['TF_USE_LEGACY_KERAS'] = '1'; import {module}"
        magenta, kakeai = [sys.executable, "-c", program], [KAKEAI, command, "--help"]
        seconds = in_turn(lambda m=magenta: process(m), lambda k=kakeai: process(k), TIMES)
        setting = f"{module.rsplit('.', 1)[1]}, kakeai {command}"
        rows.append(Row("start of a command", setting, "s", seconds[0], seconds[1]))
    return rows
