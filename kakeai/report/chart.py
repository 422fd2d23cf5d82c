"""Learning curves, laid out: numbers in, places on a sheet of `WIDTH` by `HEIGHT` out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 140, 14, 30  # margins: numbers on the left, the lines' names on the right
NAME_DISTANCE = 17  # between two lines' names
TICKS = 6  # at most, or one more
SAME = 1e-6  # numbers no further apart, as a share of themselves, are one

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: What it shows, as a class of the style sheet too.
        path: For SVG.
        end: Where it ends.
        name_y: Where its name stands.
        last: Its last value, in words.
        is_point: Whether there is one value alone.
    """

    name: str
    path: str
    end: Point
    name_y: float
    last: str
    is_point: bool


@dataclass(frozen=True)
class Chart:
    """A sheet with curves.

    Attributes:
        title: What is shown.
        summary: The same in words, for those who do not see it.
        x_ticks: Places and numbers along the bottom.
        y_ticks: Places and numbers along the left.
        lines: The curves.
        mark: Where the step of the evaluated weights stands, None if it is not on the sheet.
    """

    title: str
    summary: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]
    mark: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def chart(
    title: str,
    curves: Mapping[str, Sequence[Point]],
    unit: str = "",
    mark: float | None = None,
) -> Chart:
    """Lay out curves over training steps.

    Args:
        title: What is shown.
        curves: Points (step, value) of each, by name; at least one point each.
        unit: What stands after a number.
        mark: A step to point out.
    """
    steps = [x for points in curves.values() for x, _ in points]
    values = [y for points in curves.values() for _, y in points]
    x_marks, y_marks = round_numbers(min(steps), max(steps)), round_numbers(min(values), max(values))
    x_low, x_high = min(*steps, max(steps) - 1), max(steps)
    y_low, y_high = y_marks[0], y_marks[-1]
    decimals = max(0, -math.floor(math.log10(y_marks[1] - y_marks[0]) + 1e-9))

    def place(x: float, y: float) -> Point:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    lines = []
    for name, points in curves.items():
        places = [place(x, y) for x, y in points]
        path = "M" + "L".join(f"{x} {y}" for x, y in places)
        end = places[-1]
        lines.append(
            Line(name, path, end, end[1], f"{points[-1][1]:.{decimals + 1}f}{unit}", len(points) == 1)
        )
    summary = f"{title} after {int(x_high)} steps: " + ", ".join(f"{line.last} {line.name}" for line in lines)
    return Chart(
        title,
        summary,
        [(place(x, y_low)[0], f"{x:,.0f}") for x in x_marks if x_low <= x <= x_high],
        [(place(x_low, y)[1], f"{y:.{decimals}f}{unit}") for y in y_marks],
        _apart(lines),
        place(mark, y_low)[0] if mark is not None and x_low <= mark <= x_high else None,
    )


def round_numbers(low: float, high: float) -> list[float]:
    """Return evenly spread round numbers, the first at most `low` and the last at least `high`."""
    if high - low <= SAME * max(abs(low), abs(high), 1.0):
        high = low + max(abs(low) * 0.1, 1e-3)
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def _apart(lines: list[Line]) -> list[Line]:
    # Names must not stand on each other: from the top down, each keeps its distance from the one above.
    placed: list[Line] = []
    for line in sorted(lines, key=lambda line: line.end[1]):
        lowest = placed[-1].name_y + NAME_DISTANCE if placed else 0.0
        placed.append(Line(**{**line.__dict__, "name_y": max(line.name_y, lowest)}))
    return placed
