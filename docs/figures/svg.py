"""Drawings as SVG files that stand by themselves, on light paper and on dark."""

from collections.abc import Iterable
from html import escape

import numpy as np

from kakeai.report.chart import chart
from kakeai.report.piano_roll import PianoRoll, piano_roll

SERIES = ("#1FB7EC", "#E8930C", "#7A6FF0", "#3BAA6B")
FONT = (
    "system-ui,-apple-system,'Segoe UI',Roboto,'Hiragino Sans','Noto Sans JP','Noto Sans CJK JP',sans-serif"
)
STYLE = f"""
text {{ font: 13px {FONT}; fill: #3a3f49; }}
.soft {{ fill: #6a7280; }}
.grid {{ stroke: #d9d6ce; }}
.paper {{ fill: #fbfaf7; }}
.box {{ fill: #ffffff; stroke: #b9b4a8; }}
.arrow {{ stroke: #6a7280; stroke-width: 1.5; fill: none; }}
.head {{ fill: #6a7280; }}
.curve {{ fill: none; stroke-width: 2.25; stroke-linejoin: round; }}
.player {{ fill: #1FB7EC; }}
.kakeai {{ fill: #F0A51E; }}
.strong {{ font-weight: 650; }}
@media (prefers-color-scheme: dark) {{
  text {{ fill: #e2e5ea; }}
  .soft {{ fill: #a2abb9; }}
  .grid {{ stroke: #343b47; }}
  .paper {{ fill: #14181f; }}
  .box {{ fill: #1d222b; stroke: #505968; }}
  .arrow {{ stroke: #a2abb9; }}
  .head {{ fill: #a2abb9; }}
}}
"""


def sheet(width: float, height: float, summary: str, parts: Iterable[str]) -> str:
    """Return a drawing with its paper; `summary` is for those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(summary)}"><style>{STYLE}</style>'
        f'<rect class="paper" width="100%" height="100%" rx="8"/>{"".join(parts)}</svg>\n'
    )


def text(x: float, y: float, words: str, classes: str = "", anchor: str = "start") -> str:
    """Return words at a place; `classes` are of the style sheet."""
    return f'<text class="{classes}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def curves(
    title: str, lines: dict[str, list[tuple[float, float]]], unit: str = "", mark: float | None = None
) -> str:
    """Return learning curves, (step, value) each by name, over training steps."""
    drawn = chart(title, lines, unit, mark)
    colours = dict(zip(lines, SERIES, strict=False))
    head = 26
    parts = [text(16, 24, title, "strong"), f'<g transform="translate(0 {head})">']
    for y, number in drawn.y_ticks:
        parts.append(f'<line class="grid" x1="{drawn.left}" x2="{drawn.right}" y1="{y}" y2="{y}"/>')
        parts.append(text(drawn.left - 8, y + 4, number, "soft", "end"))
    parts += [text(x, drawn.bottom + 25, number, "soft", "middle") for x, number in drawn.x_ticks]
    if drawn.mark is not None:
        places = f'x1="{drawn.mark}" x2="{drawn.mark}" y1="{drawn.top}" y2="{drawn.bottom}"'
        parts.append(f'<line class="arrow" stroke-dasharray="3 4" {places}/>')
    for line in drawn.lines:
        colour = colours[line.name]
        parts.append(f'<path class="curve" stroke="{colour}" d="{line.path}"/>')
        parts.append(f'<circle fill="{colour}" cx="{line.end[0]}" cy="{line.end[1]}" r="3.5"/>')
        parts.append(text(line.end[0] + 9, line.name_y + 4, f"{line.name}: {line.last}"))
    return sheet(drawn.width, drawn.height + head + 6, drawn.summary, [*parts, "</g>"])


def rolls(melodies: dict[str, np.ndarray], turn: int) -> str:
    """Return piano rolls under each other: melodies int8 [steps] by what is written on each."""
    parts, down = [], 8.0
    for name, melody in melodies.items():
        roll = piano_roll(melody, turn)
        parts.append(f'<g transform="translate(0 {down:g})">{_roll(roll, name)}</g>')
        down += roll.height + 14
    return sheet(1012, down, f"Piano rolls: {', '.join(melodies)}", parts)


def _roll(roll: PianoRoll, name: str) -> str:
    parts = [text(roll.left, roll.top - 7, name, "strong")]
    for y, octave in roll.octaves:
        parts.append(f'<line class="grid" x1="{roll.left}" x2="{roll.width}" y1="{y}" y2="{y}"/>')
        parts.append(text(roll.left - 6, y + 8, octave, "soft", "end"))
    for x in roll.bars:
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{roll.top}" y2="{roll.height}"/>')
    for note in roll.notes:
        place = f'x="{note.x}" y="{note.y}" width="{note.width}" height="{note.height}"'
        parts.append(f'<rect class="{note.who}" {place} rx="2"/>')
    return "".join(parts)


def steps(melody: np.ndarray) -> str:
    """Return a short melody, int8 [steps], with the number that stands for each step under it."""
    roll = piano_roll(melody, len(melody))
    width = (roll.width - roll.left) / len(melody)
    parts = [_roll(roll, "")]
    for i, event in enumerate(melody.tolist()):
        x = roll.left + (i + 0.5) * width
        parts.append(text(x, roll.height + 20, str(event), "soft" if event < 0 else "strong", "middle"))
    return sheet(1012, roll.height + 34, f"A melody and its events: {melody.tolist()}", parts)
