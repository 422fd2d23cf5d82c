"""docs/magenta.md says what Magenta costs, as pyproject.toml has it."""

import re
import tomllib

from documentation import ROOT

PAGE = (ROOT / "docs" / "magenta.md").read_text("utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_every_package_of_the_extra_has_a_row():
    packages = {re.split(r"[<=>]", each)[0] for each in EXTRAS["magenta"]} - {"kakeai[pipeline]"}
    rows = set(re.findall(r"^\| `([\w-]+)`", PAGE, re.MULTILINE))
    assert packages <= rows
    assert rows - packages == {"dm-tree"}  # which tensorflow-probability brings


def test_every_extra_for_users_has_a_row():
    rows = set(re.findall(r"^\| `kakeai\[([\w-]+)\]`", PAGE, re.MULTILINE))
    assert rows == EXTRAS.keys() - {"dev", "traces"}
