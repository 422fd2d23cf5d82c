"""Piano rolls, laid out: a melody in, places on a sheet out."""

from dataclasses import dataclass

import numpy as np

from kakeai.music.melody import STEPS_PER_BAR, STEPS_PER_QUARTER, notes_from_melody
from kakeai.report.words import counted

WIDTH = 1000
LEFT = 34  # for the names of the Cs
TOP = 22  # for the players' names
SEMITONE = 8.0  # height of a row
TALLEST = 240  # of a sheet's rows together; a wider range gets lower rows
MARGIN = 2  # empty rows above and below
STEPS_AS_SECONDS = 60.0 / STEPS_PER_QUARTER  # quarter notes a minute at which a step takes a second
PITCH_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


@dataclass(frozen=True)
class Note:
    """A note's bar: its place, its size, and whose it is (`player` or `kakeai`)."""

    x: float
    y: float
    width: float
    height: float
    who: str


@dataclass(frozen=True)
class PianoRoll:
    """A sheet with a melody.

    Attributes:
        notes: In the order in which they are played.
        bars: Where bars begin, but for the first one.
        octaves: Height and name of each C.
        turn: Where the answer begins.
        quoted: Where the passage that another tune has too begins and ends; None for none.
        left: Where the melody begins.
        top: Where the rows begin.
        width: Of the sheet.
        height: Of the sheet.
        summary: The same in words, for those who do not see it.
    """

    notes: list[Note]
    bars: list[float]
    octaves: list[tuple[float, str]]
    turn: float
    quoted: tuple[float, float] | None
    left: float
    top: float
    width: float
    height: float
    summary: str


def piano_roll(melody: np.ndarray, turn: int, quoted: range = range(0)) -> PianoRoll:
    """Lay out a melody.

    Args:
        melody: int8 [steps].
        turn: Step from which on Kakeai plays.
        quoted: Those of its notes that another tune has too, counted from the first that Kakeai plays.
    """
    notes = notes_from_melody(melody, STEPS_AS_SECONDS)[["pitch", "start", "end"]].tolist()
    pitches = [pitch for pitch, _, _ in notes] or [60]
    low, high = min(pitches) - MARGIN, max(pitches) + MARGIN
    row = min(SEMITONE, TALLEST / (high - low + 1))
    step = (WIDTH - LEFT) / len(melody)

    def across(at: float) -> float:
        return round(LEFT + at * step, 2)

    def down(pitch: int) -> float:
        return round(TOP + (high - pitch) * row, 2)

    answer = [(begin, end) for _, begin, end in notes if begin >= turn]
    answer_bars = (len(melody) - turn) / STEPS_PER_BAR
    answered = len(answer)
    return PianoRoll(
        notes=[
            Note(
                across(begin),
                down(pitch),
                # A gap tells a note that is struck again from one that is held.
                round((end - begin) * step - 1, 2),
                round(row - 0.5, 2),
                "player" if begin < turn else "kakeai",
            )
            for pitch, begin, end in notes
        ],
        bars=[across(at) for at in range(STEPS_PER_BAR, len(melody), STEPS_PER_BAR)],
        octaves=[(down(c), pitch_name(c)) for c in range(-(-low // 12) * 12, high + 1, 12)],
        turn=across(turn),
        quoted=(across(answer[quoted[0]][0]), across(answer[quoted[-1]][1])) if quoted else None,
        left=LEFT,
        top=TOP,
        width=WIDTH,
        height=round(TOP + (high - low + 1) * row, 2),
        summary=(
            f"Piano roll: a primer of {turn / STEPS_PER_BAR:g} bars with "
            f"{counted(len(notes) - answered, 'note')}, then {answer_bars:g} bars by Kakeai with "
            f"{counted(answered, 'note')}, between {pitch_name(min(pitches))} and {pitch_name(max(pitches))}"
        ),
    )


def pitch_name(pitch: int) -> str:
    """Return a MIDI pitch's name; 60 is C4."""
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"
