"""Every command of the documentation is one that exists, and those of the READMEs do what they say.

Run here, with tiny parameters: the seven stages and `kakeai generate`, in the README's order. Run elsewhere: the two
commands of `make demo` in tests/test_whole_way.py, `kakeai serve --bundle` in tests/cli/test_serve.py, and `kakeai
model-server` in tests/serving/model_server. Not run, since they need a cluster, a container engine or an hour, but
held to what exists: `kubectl`, `make images`, `make bench` and the like.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import click
import pytest
import typer
from documentation import PAGES, ROOT, code, name

from cli.main import app
from kakeai.errors import ExitStatus

READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
COMMAND = typer.main.get_command(app)
STAGES = ("survey", "ingest", "convert", "train", "evaluate", "bundle", "release")
TINY = {
    "train": ["--hparams", "batch_size=16,rnn_layer_sizes=[8]", "--num-training-steps", "2"],
    "generate": ["--num-outputs", "2"],  # the last word counts
}


def commands(page, program):
    """The calls of a program on a page, without what is piped, told behind `#` or set before."""
    for line in code(page.read_text("utf-8")):
        for part in re.split(r"\s*(?:&&|\||;)\s+", line.partition(" #")[0]):
            words = re.sub(r"^(?:[A-Z_]+=\S* )*(?:\.venv/bin/)?", "", part.strip())
            if words.startswith(program + " "):
                yield words


def parse(words):
    """Have the command line read a call without running it."""
    command, context, rest = COMMAND, click.Context(COMMAND, info_name="kakeai"), list(words)
    while isinstance(command, click.Group) and rest:
        _, command, rest = command.resolve_command(context, rest)
        assert command is not None
        context = click.Context(command, parent=context)
    if rest:  # else it is a command's name in the middle of a sentence
        command.make_context(command.name, rest, parent=context.parent)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_kakeais_commands_have_the_options_that_they_are_given(page):
    for call in commands(page, "kakeai"):
        words = shlex.split(re.sub(r"[「」…]", "", call))[1:]
        try:
            parse(words)
        except click.BadParameter as error:  # files need not be there to be read
            if "does not exist" not in str(error):
                raise


def test_make_has_the_targets():
    named = {word for page in PAGES for call in commands(page, "make") for word in call.split()[1:2]}
    targets = sorted(target for target in named if re.fullmatch(r"[a-z-]+", target))
    assert {"demo", "test", "figures"} <= set(targets)
    ran = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_cluster_of_the_readme_can_be_rendered():
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert kubectl, "install kubectl: https://kubernetes.io/docs/tasks/tools"
    overlays = {call.split()[-1] for page in READMES for call in commands(page, "kubectl apply -k")}
    assert overlays == {"k8s/overlays/local"}
    for overlay in overlays:
        subprocess.run([kubectl, "kustomize", ROOT / overlay], check=True, capture_output=True)


def test_both_readmes_have_the_same_commands():
    english, japanese = (
        {call for program in ("kakeai", "make", "kubectl") for call in commands(page, program)}
        for page in READMES
    )
    assert japanese <= english


@pytest.fixture(scope="module")
def home(trained, tmp_path_factory):
    """A folder as the README's reader has it."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "corpus").symlink_to(trained.corpus)
    (folder / "work").mkdir()
    (folder / "work" / "kakeai.mag").symlink_to(trained.work / "kakeai.mag")
    return folder


def test_the_readmes_stages_go_all_the_way(home, monkeypatch):
    monkeypatch.chdir(home)
    calls = {call.split()[1]: call for call in commands(READMES[0], "kakeai") if " work/" in call}
    statuses = [
        app([*shlex.split(calls[stage])[1:], *TINY.get(stage, [])], standalone_mode=False) or 0
        for stage in STAGES
    ]
    assert (home / "work" / "evaluation" / "report.html").stat().st_size > 0
    assert list((home / "work" / "bundle").glob("*.mag"))
    # Two steps of training teach little: the evaluation may refuse the model, and then nothing is released.
    verdict = json.loads((home / "work" / "evaluation" / "decision.json").read_text())["verdict"]
    assert statuses == [0] * 6 + [ExitStatus.REFUSED if verdict == "refuse" else 0]
    assert (home / "store" / "kakeai" / "1").exists() == (verdict != "refuse")


def test_the_readmes_melodies_are_written(home, monkeypatch):
    monkeypatch.chdir(home)
    (call,) = {
        call for page in READMES for call in commands(page, "kakeai generate") if "--bundle work" in call
    }
    app([*shlex.split(call)[1:], *TINY["generate"]], standalone_mode=False)
    assert len(list((home / "generated").glob("*.mid"))) == 2


def test_the_readmes_request_is_answered(gateway_url):
    text = READMES[0].read_text("utf-8")
    (call,) = re.findall(r"curl -s localhost:8080(/\S+) -H '([^']+)' -d '([^']+)'", text)
    route, header, body = call
    headers = dict([header.split(": ")])
    request = urllib.request.Request(gateway_url + route, body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        (variation,) = json.load(answer)["answers"]
    assert variation["take"]["steps"] == json.loads(body)["steps"]
