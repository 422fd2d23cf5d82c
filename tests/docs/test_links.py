"""Every link of the documentation leads somewhere, and every picture is there and shown."""

import re

import pytest
from documentation import PAGES, ROOT, anchors, name, prose


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_their_anchors_resolve(page):
    broken = []
    text = page.read_text("utf-8")
    defined = re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.M)
    for target in [*re.findall(r"\]\(([^)\s]+)\)", prose(text)), *defined]:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if (
            not file.exists()
            or not file.is_relative_to(ROOT)
            or (anchor and anchor not in anchors(file.read_text("utf-8")))
        ):
            broken.append(target)
    assert broken == []


def test_every_picture_is_shown_and_small():
    shown = "\n".join(page.read_text("utf-8") for page in PAGES)
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [picture.name for picture in pictures if picture.name not in shown] == []
    assert sum(picture.stat().st_size for picture in pictures) < 600_000
