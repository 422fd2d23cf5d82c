"""The worked examples of docs/architecture.md work."""

import asyncio
import re
import sys
import textwrap
from types import ModuleType, SimpleNamespace

import httpx
import pytest
from documentation import ROOT
from fastapi import FastAPI
from kfp.dsl import Dataset, Input

from cli import stages
from kakeai.model import configs
from kakeai.model.configs import Config

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def examples(title):
    """The pieces of Python in a section."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r" *```python\n(.*?) *```", section, re.S)]


def test_the_new_stage_counts(trained, monkeypatch, capsys):
    plain, component, command = examples("A new stage")
    names = {}
    exec(plain, names)
    exec(component.split("@component\n")[1], {"Input": Input, "Dataset": Dataset}, names)
    (dataset,) = {path.parent for path in trained.work.rglob("training.tfrecord")}
    notes = names["count"](dataset)
    assert notes > 1000
    shown, sentence = {}, f"{notes:,} notes"
    module = ModuleType("kakeai.stages.count")
    module.count = names["count"]
    monkeypatch.setitem(sys.modules, "kakeai.stages.count", module)
    in_stages = {
        **vars(stages),
        "show_stage": lambda name, figures: shown.update({name: figures["sentence"]}),
    }
    exec(command, in_stages)
    in_stages["count"](dataset)
    assert shown == {"count": sentence}
    assert names["count_component"](SimpleNamespace(path=dataset), work="") == notes
    assert f'"stage": "count", "sentence": "{sentence}"' in capsys.readouterr().out


def test_the_new_configuration_is_one_row(monkeypatch):
    row, test = examples("A new configuration")
    waltz = eval(row.strip(), {"Config": Config})
    monkeypatch.setitem(configs.CONFIGS, waltz.name, waltz)
    names = {}
    exec(test, names)
    names["test_its_repeats_are_bars_of_three_quarters"]()
    monkeypatch.setitem(configs.CONFIGS, waltz.name, Config(waltz.name, "in four", "lookback"))
    with pytest.raises(AssertionError):
        names["test_its_repeats_are_bars_of_three_quarters"]()


def test_the_new_route_answers():
    written, test = examples("A new route")
    names = {}
    exec(written, names)
    app = FastAPI()
    app.include_router(names["router"])

    async def get(route):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            return await client.get(route)

    client = SimpleNamespace(get=lambda route: asyncio.run(get(route)))
    exec(test, names)
    names["test_the_tempo_is_told"](lambda: SimpleNamespace(client=client))


def test_every_module_that_the_page_names_is_there():
    named = set(re.findall(r"`((?:kakeai|components|pipelines|serving|cli|tests|k8s)/[\w./-]+)`", PAGE))
    invented = {
        "components/count.py",
        "kakeai/stages/count.py",
        "tests/stages/test_count.py",
        "tests/model/test_waltz.py",
    }
    invented |= {"serving/gateway/routes/tempo.py", "tests/serving/gateway/test_gateway_tempo.py"}
    assert len(named - invented) > 20
    assert [name for name in sorted(named - invented) if not (ROOT / name).exists()] == []
