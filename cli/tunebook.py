"""ABC tunes as people write them → the plain ABC that note-seq's parser reads.

note-seq refuses tuplets, grace notes, rests, chords and endings of repeats, which is most of a fiddler's
book. Here they are written out (https://abcnotation.com/wiki/abc:standard:v2.1): every note with its full
length, every ending after its own playing of the strain, ornaments left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

# note-seq's parser knows no rest. This note, three octaves below a fiddle's lowest, stands for one.
REST = "D,,,,"
LOWEST_PITCH = 21  # a piano's lowest key: what sounds below it is a rest

_HEADER_FIELDS = "XTMLQ"
_BODY_FIELD = re.compile(r"([A-Za-z]):(?![|:])")  # a letter, a colon; but `A:|` is a note and a repeat
_NOTE = r"(?P<accidental>\^\^?|__?|=)?(?P<letter>[A-Ga-gz])(?P<octave>[,']*)(?P<length>\d*/*\d*)"
_TOKEN = re.compile(
    r"(?P<ornament>\{[^}]*\}|\"[^\"]*\"|![^!]*!)"
    r"|\[(?P<field>[KLM]:[^\]]*)\]"
    r"|(?:\[(?P<chord>[^\]|:]+)\]|\+(?P<old_chord>[^+]+)\+)(?P<chord_length>\d*/*\d*)"
    r"|(?P<before_ending>:*\|*)(?:(?<=\|)|\[)(?P<ending>[12])(?!\d)"
    r"|(?P<bar>[:|\[\]]*[|:][:|\[\]]*)"
    r"|\((?P<tuplet>\d)(?::(?P<in_time_of>\d*))?(?::(?P<span>\d*))?"
    r"|(?P<broken><+|>+)"
    r"|(?P<tie>-)"
    rf"|{_NOTE}"
)
# Notes in the time of how many: (3 is three in the time of two.
_IN_TIME_OF = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}


@dataclass(frozen=True)
class _Note:
    pitch: str  # accidental, letter, octave; or REST
    length: Fraction  # in unit note lengths

    def __str__(self) -> str:
        return f"{self.pitch}{self.length.numerator}/{self.length.denominator}"


@dataclass(frozen=True)
class _Bar:
    signs: str
    ending: str = ""  # "1" or "2" where an ending begins

    @property
    def ends_strain(self) -> bool:
        return ":" in self.signs or len(self.signs) > 1

    def __str__(self) -> str:
        return f" {self.signs} "


@dataclass(frozen=True)
class _Field:
    text: str

    def __str__(self) -> str:
        return f"[{self.text}]"


_Item = _Note | _Bar | _Field


def split_tunebook(text: str) -> Iterator[list[str]]:
    """The tunes of a tunebook, each as its lines from `X:` on, blank lines and comments left out."""
    for tune in re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:]:
        lines = (line.split("%")[0].strip() for line in tune.splitlines())
        yield [line for line in lines if line]


def header_field(tune: list[str], name: str) -> str:
    """The first field of that letter in a tune's lines; empty where there is none."""
    return next((line[2:].strip() for line in tune if line.startswith(f"{name}:")), "")


def plain_tune(tune: list[str], *, repeats: bool = True) -> list[str]:
    """The tune's lines, rewritten for note-seq's parser; without `repeats` every strain is played once."""
    key = next((index for index, line in enumerate(tune) if line.startswith("K:")), len(tune) - 1)
    header = [line for line in tune[:key] if line[0] in _HEADER_FIELDS and line[1:2] == ":"]
    body = " ".join(
        f"[{line}]" if _BODY_FIELD.match(line) else line
        for line in tune[key + 1 :]
        if line[0] in "KLM" or not _BODY_FIELD.match(line)
    )
    items = _with_endings_written_out(list(_items(body)))
    if not repeats:
        items = [
            replace(item, signs="||") if isinstance(item, _Bar) and item.ends_strain else item
            for item in items
        ]
    # The bar line keeps a first note like `A` before a colon from being taken for a field.
    return [*header, tune[key], "| " + "".join(map(str, items))]


def _items(body: str) -> Iterator[_Item]:
    """Notes with their full lengths, bars and changes of key, metre or unit; all else is left out."""
    found: list[_Item] = []
    notes: list[int] = []  # where in `found` the notes stand
    scale, scaled = Fraction(1), 0  # a tuplet's factor, and for how many more notes
    broken = ""
    tied = False
    for token in _TOKEN.finditer(body):
        chord = token["chord"] or token["old_chord"]
        if token["ending"]:
            found.append(_Bar(token["before_ending"] or "|", token["ending"]))
        elif token["bar"]:
            found.append(_Bar(token["bar"].replace("|:|", ":|")))
        elif token["field"]:
            found.append(_Field(token["field"]))
        elif token["tuplet"]:
            count = int(token["tuplet"])
            scale = Fraction(int(token["in_time_of"] or _IN_TIME_OF.get(count, 2)), max(count, 1))
            scaled = int(token["span"] or count)
        elif token["broken"]:
            broken = token["broken"]
        elif token["tie"]:
            tied = bool(notes)
        elif chord or token["letter"]:
            note = _highest(chord, token["chord_length"]) if chord else _note(token)
            if note is None:
                continue
            if scaled:
                note = replace(note, length=note.length * scale)
                scaled -= 1
            previous = found[notes[-1]] if notes else None
            if broken and isinstance(previous, _Note):
                # One of the two loses half of itself, or more, to the other.
                kept = Fraction(1, 2 ** len(broken))
                first, second = (2 - kept, kept) if broken[0] == ">" else (kept, 2 - kept)
                found[notes[-1]] = previous = replace(previous, length=previous.length * first)
                note = replace(note, length=note.length * second)
            if tied and isinstance(previous, _Note) and _one_sound(previous, note, found[notes[-1] + 1 :]):
                found[notes[-1]] = replace(previous, length=previous.length + note.length)
            else:
                notes.append(len(found))
                found.append(note)
            broken, tied = "", False
    yield from found


def _one_sound(note: _Note, following: _Note, between: list[_Item]) -> bool:
    """Whether a hyphen ties the two: it slurs different pitches, and no tie crosses a repeat."""
    strain_ends = any(isinstance(item, _Bar) and item.ends_strain for item in between)
    return note.pitch.lstrip("^_=") == following.pitch and not strain_ends


def _note(token: re.Match[str]) -> _Note:
    if token["letter"] == "z":
        return _Note(REST, _length(token["length"]))
    return _Note((token["accidental"] or "") + token["letter"] + token["octave"], _length(token["length"]))


def _highest(chord: str, length: str) -> _Note | None:
    """The top note of a chord such as ``CE2g``, as long as its first note, times the chord's own length."""
    notes = [(token, _note(token)) for token in re.finditer(_NOTE, chord) if token["letter"] != "z"]
    if not notes:
        return None
    steps = {letter: step for step, letter in enumerate("CDEFGABcdefgab")}
    _, top = max(
        notes,
        key=lambda n: steps[n[0]["letter"]] + 7 * (n[0]["octave"].count("'") - n[0]["octave"].count(",")),
    )
    return replace(top, length=notes[0][1].length * _length(length))


def _length(text: str) -> Fraction:
    """``3/4``, ``3/``, ``/4``, ``//``, ``2`` or nothing, in unit note lengths."""
    slashes = text.count("/")
    if not slashes:
        return Fraction(int(text or 1))
    over, under = text.split("/", 1)
    return Fraction(int(over or 1), int(under.lstrip("/") or 1) if under.strip("/") else 2**slashes)


def _with_endings_written_out(items: list[_Item]) -> list[_Item]:
    """``A |1 b :|2 c ||`` becomes ``A | b | A | c ||``; an ending without its fellow, a plain bar."""
    while True:
        marks = [
            (index, item.ending) for index, item in enumerate(items) if isinstance(item, _Bar) and item.ending
        ]
        if not marks:
            return items
        (first, _), (second, _) = marks[0], marks[min(1, len(marks) - 1)]
        if [ending for _, ending in marks[:2]] != ["1", "2"]:
            items[first] = _Bar("|")
            continue
        strains = [index for index, item in enumerate(items) if isinstance(item, _Bar) and item.ends_strain]
        begin = max((index + 1 for index in strains if index < first), default=0)
        end = min((index for index in strains if index > second), default=len(items))
        strain = items[begin:first]
        one = [
            item for item in items[first + 1 : second] if not (isinstance(item, _Bar) and item.ends_strain)
        ]
        before, after = items[:begin], items[end:]
        # The repeat is written out now: its own signs go.
        if before and isinstance(before[-1], _Bar):
            before[-1] = _Bar(":|" if before[-1].signs.startswith(":") else "||")
        if after and isinstance(after[0], _Bar):
            after[0] = replace(after[0], signs="|:" if after[0].signs.endswith(":") else "||")
        bar: list[_Item] = [_Bar("|")]
        items = before + strain + bar + one + bar + strain + bar + items[second + 1 : end] + after
