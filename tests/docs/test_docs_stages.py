"""The reference of the stages says what the code does."""

from importlib import import_module

from documentation import ROOT

from cli import stages
from docs.stages import markdown, rows


def test_the_page_is_current():
    written = (ROOT / "docs" / "stages.md").read_text("utf-8")
    assert written == markdown(), "renew it with: python -m docs.stages > docs/stages.md"


def test_every_parameter_and_option_of_a_stage_has_a_meaning():
    without = [
        (name, row.parameter or row.option)
        for name, command in stages.COMMANDS.items()
        for row in rows(getattr(import_module(f"kakeai.stages.{name}"), name), command)
        if not row.meaning
    ]
    assert without == []
