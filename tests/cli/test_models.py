"""`kakeai models`: what a person and a program are told of a store, and what they can do to it."""

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli import models
from cli.main import app
from kakeai import store as model_store
from kakeai.errors import KakeaiError

DECISION = {
    "verdict": "release",
    "champion": 0,
    "checks": [{"name": "ngram", "passed": True, "sentence": "beats it"}],
}


@pytest.fixture
def store(tmp_path):
    """Three versions of `kakeai`, the third by overruling."""
    (tmp_path / "saved_model.pb").write_bytes(b"a graph")
    folder = tmp_path / "store"
    for number in (1, 2, 3):
        card = {
            "config": "basic_rnn",
            "hparams": "batch_size=8",
            "trained_steps": 1000 * number,
            "bundle_sha256": str(number) * 64,
            "corpus": {"fingerprint": "f" * 8, "num_files": 60, "num_training_melodies": 1234},
            "recipe": {"seed": 7},
            "decision": {**DECISION, "sentence": f"decision \x1b[31m{number}"},
        }
        if number == 3:
            card["overruled"] = {"by": "Ada", "because": "the held-out tunes changed"}
        model_store.publish(
            {"saved_model.pb": tmp_path / "saved_model.pb"}, card, folder, "kakeai", number - 1
        )
    return folder


@pytest.fixture
def screen(monkeypatch):
    """What stands on the screen."""
    console = Console(file=io.StringIO(), width=140, highlight=False)
    monkeypatch.setattr(models, "console", console)
    return SimpleNamespace(text=lambda: console.file.getvalue())


def test_the_list_begins_with_what_plays(store, screen):
    models.promote(1, str(store), by="Grace", because="the old one swings")
    models.list_(str(store))
    lines = screen.text().splitlines()
    rows = [line.split() for line in lines[2:]]
    assert "version 4 of kakeai" in lines[0]
    assert [row[0] for row in rows[:4]] == ["4", "3", "2", "1"]
    assert [row[1] == "plays" for row in rows[:4]] == [True, False, False, False]
    assert "promoted by Grace: the old one swings" in lines[2]
    assert "Ada overruled: the held-out tunes changed" in lines[3]
    assert "basic_rnn, 2,000 steps, 1,234 melodies" in lines[4]
    assert "\x1b" not in screen.text()


def test_a_version_is_shown_with_all_it_descends_from(store, screen):
    models.rollback(str(store), because="it rests")
    model_store.prune(store, "kakeai", keep=1)
    models.show(str(store))
    text = screen.text()
    assert "4 of kakeai" in text
    assert "promoted: it rests" in text
    assert "num files 60" in text
    assert "beats it" in text
    elders = text.split("descends from")[1].splitlines()[1:]
    assert [line.split()[0] for line in elders] == ["2", "1"]
    models.show(str(store), version=3)  # though it was pruned
    assert "Ada overruled" in screen.text()


def test_what_a_model_server_labels_or_names_is_not_pruned(store, screen, tmp_path):
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "kakeai" base_path: "/store/kakeai" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 2 versions: 3 } } version_labels { key: "stable" value: 2 } } }'
    )
    models.prune(str(store), keep=1, models_config=config, dry_run=True)
    assert screen.text() == "would go: 1\n"
    assert model_store.versions(store, "kakeai") == [1, 2, 3]
    models.prune(str(store), keep=1, pin=[2])
    assert model_store.versions(store, "kakeai") == [2, 3]
    with pytest.raises(KakeaiError, match="does not name the model other; nothing was pruned"):
        models.prune(str(store), model="other", models_config=config)


def test_programs_get_json(store, kakeai):
    listed = kakeai("models", "list", "--store", str(store), "--json")
    assert [card["version"] for card in json.loads(listed.stdout)] == [3, 2, 1]
    shown = kakeai("models", "show", "2", "--store", str(store), "--json")
    card = json.loads(shown.stdout)
    assert (card["recipe"], card["lineage"], card["elders"][0]["version"]) == ({"seed": 7}, [1], 1)


def test_what_is_not_there(store, kakeai, tmp_path):
    for arguments, told in (
        (["list", "--store", str(tmp_path / "empty")], "has no model kakeai"),
        (["show", "9", "--store", str(store)], "has no version 9 of kakeai"),
        (["promote", "9", "--store", str(store)], "it has 1, 2, 3"),
    ):
        ran = kakeai("models", *arguments)
        assert ran.returncode == 2
        assert told in " ".join((ran.stdout + ran.stderr).split())
        assert "Traceback" not in ran.stdout + ran.stderr


def test_help_tells_examples_and_exit_statuses():
    def help_of(*command):
        return " ".join(CliRunner().invoke(app, ["models", *command, "--help"]).output.split())

    assert "Exit status: 0 done, 2 bad input" in help_of()
    for command in ("list", "show", "promote", "rollback", "prune"):
        assert f"kakeai models {command}" in help_of(command).split("Example", 1)[1]
