"""The written contracts say what the code does."""

import re
from pathlib import Path

import pytest

from serving.gateway.api import frames
from serving.gateway.api.docs import markdown
from serving.gateway.api.messages import Take
from serving.gateway.app import create_app
from serving.gateway.routes import session
from serving.gateway.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
PROTOCOL = (DOCS / "session-protocol.md").read_text("utf-8")


def _section(title):
    return PROTOCOL.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("section", "union"),
    [("From the client", frames.ClientFrame), ("From the gateway", frames.ServerFrame)],
)
def test_the_protocols_tables_are_the_frames(section, union):
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", _section(section), re.MULTILINE)
    written = {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    expected = {}
    for frame in union.__args__:
        properties = frame.model_json_schema()["properties"]
        expected[properties["type"]["const"]] = properties.keys() - {"type"}
    assert written == expected


def test_the_protocol_names_a_turns_and_a_takes_fields():
    assert all(f"`{field}`" in _section("From the client") for field in frames.Turn.model_fields)
    assert all(f"`{field}`" in _section("From the gateway") for field in Take.model_fields)


def test_the_protocols_diagram_shows_every_frame():
    arrows = re.findall(r"(?:C->>G|G-->>C): (\w+)", PROTOCOL)
    assert set(arrows) == {"start", "ready", "call", "answer", "tempo", "release", "adopt", "move"}


def test_the_protocol_names_the_close_codes():
    codes = {value for name, value in vars(session).items() if re.fullmatch(r"_[A-Z_]+", name)}
    too_large = 1009  # the WebSocket library's own
    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", PROTOCOL, re.MULTILINE)} == codes | {
        too_large
    }


def test_the_settings_that_the_protocol_names_exist():
    named = set(re.findall(r"KAKEAI_(\w+)", PROTOCOL))
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_api_page_is_current():
    now = markdown(create_app(Settings()).openapi())
    written = (DOCS / "api.md").read_text("utf-8")
    assert written == now, "renew it with: python -m serving.gateway.api.docs > docs/api.md"
