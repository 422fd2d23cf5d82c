"""How melodies sound, on melodies whose numbers can be told by eye."""

import numpy as np
import pytest

from kakeai.music.listening import Sound, mean_sound, sound

REST = [-2] * 16
BAR = [60, -2, 62, -2, 64, -2, 65, -2, 67, -2, 65, -2, 64, -2, 62, -2]
OTHER = [72, -2, -2, -2, 71, -2, 69, -2, 67, -2, -2, -2, 65, 64, 62, -2]


def melody(*bars):
    return np.array([event for bar in bars for event in bar], np.int8)


def test_range_and_density():
    heard = sound(melody(BAR, OTHER))
    assert heard.pitch_range == 12
    assert heard.notes_per_bar == (8 + 7) / 2


def test_only_what_comes_after_the_beginning_counts():
    heard = sound(melody(OTHER, BAR), 16)
    assert (heard.pitch_range, heard.notes_per_bar) == (7, 8)


def test_music_that_was_not_played_before_is_no_repetition():
    assert sound(melody(BAR, OTHER)).repetition == 0


def test_a_repeated_bar_is_repetition_also_of_what_came_before_the_beginning():
    assert sound(melody(BAR, OTHER, BAR), 32).repetition == 1
    assert sound(melody(BAR, OTHER, BAR), 16).repetition == pytest.approx(1 / 17)


def test_repetition_does_not_depend_on_the_metre():
    phrase = [60, -2, 62, 64, -2, 65, 67, -2, 69, 71, -2, 72, 71, -2, 69, 65, -2, 62]  # 18 steps
    assert sound(melody(phrase, phrase, phrase), 18).repetition == 1


def test_a_held_note_or_a_rest_repeats_nothing():
    assert sound(melody([60] + [-2] * 79)).repetition == 0
    assert sound(melody(REST, REST, REST)).repetition == 0


def test_silence_is_before_the_first_note_and_after_a_note_off():
    heard = sound(np.array([-2, -2, 60, -2, -1, -2, 62, -2], np.int8))
    assert heard.silence == 0.5
    # What still sounds from before the beginning is no silence.
    assert sound(np.array([60, -2, -2, -2], np.int8), 2).silence == 0


@pytest.mark.parametrize("events", [[-2], [-1, -2, -2], [60], REST + REST])
def test_what_has_hardly_any_music_is_heard_too(events):
    heard = sound(np.array(events, np.int8))
    assert np.isfinite(heard).all()
    assert heard.pitch_range == 0


def test_mean():
    assert mean_sound([Sound(1, 2, 0.5, 0), Sound(3, 4, 1, 1)]) == Sound(2, 3, 0.75, 0.5)
