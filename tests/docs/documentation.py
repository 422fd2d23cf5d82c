"""The repository's pages, read as GitHub reads them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "RESULTS.md"])


def name(page):
    return str(page.relative_to(ROOT))


def prose(text):
    """The page without its blocks of code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.M)


def anchors(text):
    """What `#…` may follow: GitHub's names of the headings."""
    found = set()
    for title in re.findall(r"^#{1,6} (.+)$", prose(text), re.M):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower().strip()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def code(text):
    """All commands: lines of indented and of shell blocks, continuations joined, and code in the text."""
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```$", text, re.M | re.S)
    lines = [line.strip() for line in re.findall(r"^ {4,}(\S.*)$", re.sub(r"\\\n\s*", " ", text), re.M)]
    for block in blocks:
        lines += [line.strip() for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", prose(text))
