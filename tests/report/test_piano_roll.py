"""Piano rolls: every note has its place, and is its player's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakeai.report.piano_roll import piano_roll, pitch_name

MELODY = st.lists(st.sampled_from([-2, -2, -1, 0, 21, 60, 64, 67, 108, 127]), min_size=2, max_size=160)


@given(events=MELODY, share=st.floats(0, 1))
def test_every_note_is_on_the_sheet(events, share):
    turn = int(share * len(events))
    roll = piano_roll(np.array(events, np.int8), turn)
    assert len(roll.notes) == sum(event >= 0 for event in events)
    assert sum(note.who == "player" for note in roll.notes) == sum(event >= 0 for event in events[:turn])
    for note in roll.notes:
        assert note.width > 0
        assert note.height > 0
        assert roll.left <= note.x <= note.x + note.width <= roll.width
        assert roll.top <= note.y <= note.y + note.height <= roll.height
        assert (note.x >= roll.turn) == (note.who == "kakeai")


def test_higher_notes_stand_higher_and_later_ones_further_right():
    roll = piano_roll(np.array([60, -2, 67, -2, 64, -2, -1, -2], np.int8), 4)
    low, high, middle = roll.notes
    assert high.y < middle.y < low.y
    assert low.x < high.x < middle.x
    assert low.width == pytest.approx(middle.width)


def test_octaves_are_marked_at_their_c():
    roll = piano_roll(np.array([60, -2, 72, -2], np.int8), 2)
    assert [name for _, name in roll.octaves] == ["C4", "C5"]
    assert [y for y, _ in roll.octaves] == [note.y for note in roll.notes]


def test_those_who_do_not_see_it_are_told_what_is_played():
    roll = piano_roll(np.array([60, -2] * 16 + [-1] + [-2] * 15 + [67] + [-2] * 15, np.int8), 32)
    assert roll.summary == (
        "Piano roll: a primer of 2 bars with 16 notes, then 2 bars by Kakeai with 1 note, between C4 and G4"
    )


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (69, "A4"), (0, "C-1"), (127, "G9"), (70, "B♭4")])
def test_pitch_names(pitch, name):
    assert pitch_name(pitch) == name


def test_what_another_tune_has_too_is_underlined():
    melody = np.array([60, -2] * 8 + [67, -2] * 8, np.int8)
    roll = piano_roll(melody, 16, range(2, 5))
    answer = [note for note in roll.notes if note.who == "kakeai"]
    begin, end = roll.quoted
    assert begin == answer[2].x
    assert answer[4].x < end <= answer[5].x
    assert piano_roll(melody, 16).quoted is None
