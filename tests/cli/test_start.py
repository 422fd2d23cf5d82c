"""What a command loads before it works, and what it lets onto the screen."""

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "tf_keras", "magenta", "music21"}
COMMANDS = [
    "ingest",
    "convert",
    "train",
    "evaluate",
    "bundle",
    "release",
    "generate",
    "serve",
    "model-server",
]
LOADED = "print(*sorted(set(sys.modules) & {heavy!r}), sep=chr(10), file=sys.stderr)"


def loaded_by(*commands, heavy):
    """The heavy modules that a process has loaded once it has run these commands."""
    program = "import sys\nfrom cli.main import app\n"
    program += "".join(f"app({list(command)!r}, standalone_mode=False)\n" for command in commands)
    program += LOADED.format(heavy=heavy)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.split()


def test_help_loads_nothing_heavy():
    commands = [["--help"], ["corpus", "--help"], ["pipeline", "run", "--help"]]
    commands += [[command, "--help"] for command in COMMANDS]
    assert loaded_by(*commands, heavy=HEAVY | {"note_seq", "kfp", "google.cloud.storage"}) == []


def test_what_reads_files_runs_without_tensorflow(corpus, tmp_path):
    sequences, dataset = str(tmp_path / "sequences"), str(tmp_path / "dataset")
    commands = [["ingest", str(corpus), "--output", sequences]]
    commands += [["convert", sequences, "--output", dataset, "--config", "basic_rnn"]]
    assert loaded_by(*commands, heavy=HEAVY) == []


def test_a_command_with_tensorflow_is_quiet(kakeai, tmp_path):
    from kakeai.model.configs import config_named
    from kakeai.model.magenta.bundle import write_bundle
    from kakeai.model.network.melody_rnn import MelodyRnn

    write_bundle(
        MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[4]")), tmp_path / "small.mag", "a test"
    )
    folder = tmp_path / "out"
    ran = kakeai(
        "generate", "--bundle", str(tmp_path / "small"), "--num-steps", "16", "--output-dir", str(folder)
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert len(list(folder.glob("*_[0-9][0-9].mid"))) == 10
    assert ran.stdout.split() == ["10", "MIDI", "files", "in", *ran.stdout.split()[4:]]


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(3)", 3), ("os.abort()", -6)])
def test_what_is_no_note_reaches_the_screen_to_the_last_word(ending, status):
    program = f"""
import os, sys
from cli.tensorflow_notes import keep_notes_away
keep_notes_away()
os.write(2, b"I0000 00:00:17.5 1 port.cc:153] oneDNN custom operations are on.\\nE0000 an error\\n")
print("of Python", file=sys.stderr)
os.write(2, b"without an end of line")
{ending}
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == status
    assert "note" not in ran.stderr
    assert "oneDNN" not in ran.stderr
    assert {"E0000 an error", "of Python"} <= {
        line.strip() for line in ran.stderr.replace("without", "\nwithout").splitlines()
    }
    assert "without an end of line" in ran.stderr
