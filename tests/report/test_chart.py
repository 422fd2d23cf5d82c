"""Learning curves: everything has its place on the sheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakeai.report.chart import HEIGHT, NAME_DISTANCE, WIDTH, chart, round_numbers

VALUES = st.floats(0, 1e3, allow_subnormal=False)
CURVE = st.lists(VALUES, min_size=1, max_size=30).map(
    lambda values: [(50 * (i + 1), value) for i, value in enumerate(values)]
)


@given(low=st.floats(-1e4, 1e4), width=st.floats(0, 1e4))
def test_round_numbers_hold_the_values_and_are_few(low, width):
    numbers = round_numbers(low, low + width)
    assert 2 <= len(numbers) <= 8
    assert numbers[0] <= low + 1e-6 * max(1, abs(low))
    assert numbers[-1] >= low + width - 1e-6 * max(1, abs(low + width))


def test_round_numbers_are_round():
    assert round_numbers(1.49, 2.5) == pytest.approx([1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6])
    assert round_numbers(0, 400) == [0, 100, 200, 300, 400]


@given(held_out=CURVE, training=CURVE, mark=st.integers(0, 2000))
def test_everything_is_on_the_sheet(held_out, training, mark):
    sheet = chart("Loss", {"held-out": held_out, "training": training}, mark=mark)
    for line in sheet.lines:
        for place in line.path.removeprefix("M").split("L"):
            x, y = map(float, place.split())
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    assert all(0 <= y <= HEIGHT for y, _ in sheet.y_ticks)
    assert all(0 <= x <= WIDTH for x, _ in sheet.x_ticks)
    assert sheet.mark is None or 0 <= sheet.mark <= WIDTH


@given(held_out=CURVE, training=CURVE)
def test_names_do_not_stand_on_each_other(held_out, training):
    first, second = chart("Loss", {"held-out": held_out, "training": training}).lines
    assert abs(first.name_y - second.name_y) >= NAME_DISTANCE - 1e-6


def test_a_falling_curve_falls():
    (line,) = chart("Loss", {"held-out": [(50, 2.0), (100, 1.5), (150, 1.0)]}).lines
    ys = [float(place.split()[1]) for place in line.path.removeprefix("M").split("L")]
    assert ys == sorted(ys)  # downwards on a sheet
    assert line.last == "1.00"


def test_those_who_do_not_see_it_are_told_how_it_ends():
    curves = {"held-out": [(50, 2.0), (100, 1.5)], "training": [(50, 2.5), (100, 1.25)]}
    said = "Loss after 100 steps: 1.50 nats held-out, 1.25 nats training"
    assert chart("Loss", curves, " nats").summary == said


@given(values=st.lists(st.floats(0.58, 0.585), min_size=2, max_size=9))
def test_numbers_along_the_side_tell_ticks_apart(values):
    numbers = [number for _, number in chart("Loss", {"held-out": list(enumerate(values))}).y_ticks]
    assert len(set(numbers)) == len(numbers)
