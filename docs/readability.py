"""Check the English of the pages: `python -m docs.readability`, a part of `make lint`.

A sentence has at most 30 words and none of the turns in `PLAINER`. The Japanese pages and the generated ones are
left out.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
GENERATED = {"api.md", "stages.md"}
MAX_WORDS = 30

# A turn that makes a sentence hard to read (a regular expression) → what to write instead.
PLAINER = {
    r"whoever|whosoever": "the role: the user, the player, the operator",
    r"whatever|wherever": "any, or the exact case",
    r"what (?:became|becomes|has become) of": "the result of",
    r"tells?|told|telling": "returns, reports, logs, prints, shows",
    r"says": "reports, states, prints, shows",
    r"hears?|heard": "receives, reads; of people: listens to",
    r"wants": "needs, requires",
    r"stands?(?!-)": "is",
    r"nobody's|somebody's|strangers?(?:'s)?": "untrusted, or the role",
    r"nobody|everybody": "no user, all users; the role",
    r"doors?": "port, interface, page",
    r"(?:the )?last word": "decides",
    r"lets? \w+ in|lets? in": "accepts",
    r"(?:is|are|was|were) to be": "must be, or the present tense",
    r"goes home|go home": "is saved, is exported",
    r"nor": "a second sentence with not",
    r"nothing but|none but|no other than": "only",
    r"anew|once more": "again",
    r"go(?:es)? on|for ever": "continues, without end",
    r"beside": "next to, with, compared with",
    r"seldom": "rarely",
    r"mends?|mended": "fix",
    r"likewise|thereof|wherein|hitherto|hence": "a plain sentence",
}


def pages() -> list[Path]:
    """Return the English pages that people write."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    return sorted(page for page in found if page.name not in GENERATED and ".ja." not in page.name)


def faults(text: str) -> Iterator[tuple[int, str, str]]:
    """Find the sentences of a Markdown page that are hard to read.

    Args:
        text: The page. Code, the targets of links and the descriptions of pictures are not sentences; the rows of
            tables are checked for turns, not for length.

    Yields:
        The number of the line where the sentence begins, what is wrong with it, and the sentence.
    """
    for first, block in _blocks(text):
        prose = _words_only(block)
        for match in re.finditer(r"\S.*?(?:[.!?][)\"*_]*(?=\s|$)|$)", prose, re.DOTALL):
            line, sentence = first + prose.count("\n", 0, match.start()), " ".join(match[0].split())
            count = len(re.findall(r"\S*\w\S*", sentence))
            if count > MAX_WORDS and not block.startswith("|"):
                yield line, f"{count} words, at most {MAX_WORDS}", sentence
            for turn, plainer in PLAINER.items():
                if found := re.search(rf"\b(?:{turn})\b", sentence, re.IGNORECASE):
                    yield line, f'"{found[0]}", plainer: {plainer}', sentence


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield paragraphs, headings, list items and table rows, each with the number of its first line."""
    first, block, in_fence = 0, [], False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        is_fence = line.lstrip().startswith("```")
        is_code = in_fence or is_fence or (not block and re.match(r" {4}|\t", line))
        in_fence ^= is_fence
        begins = re.match(r"\s*(?:#+ |\||[-*] |\d+\. )", line)
        if block and (is_code or begins or not line.strip()):
            yield first, "\n".join(block)
            block = []
        if line.strip() and not is_code:
            first = first if block else number
            block.append(line)


def _words_only(block: str) -> str:
    """Return a block without its marks, each piece of code as one word; the line breaks stay."""
    block = re.sub(r"^\s*(?:#+|[-*]|\d+\.)\s+(?:\[.\] )?", "", block)
    block = re.sub(r"`[^`]+`", lambda code: "code" + "\n" * code[0].count("\n"), block)
    block = re.sub(r"!\[[^]]*\]\([^)]*\)", "", block)
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", block).replace("|", " ")


def main() -> None:
    """Print the faults of all pages; the exit status is 1 if there are any."""
    found = [(page, *fault) for page in pages() for fault in faults(page.read_text("utf-8"))]
    for page, line, fault, sentence in found:
        print(f"{page.relative_to(ROOT)}:{line}: {fault}: {sentence}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
