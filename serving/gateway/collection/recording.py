"""What a player gave away of a session, as a MIDI file: their own phrases, and nothing else.

The answers are left out. A model that trains on its own answers hears itself again and again and forgets what
people play; where they were there is silence, so that no two phrases grow together into one that nobody played.
"""

import numpy as np

from kakeai.music.midi import Track, write_midi

MAX_TURNS = 256  # some half an hour of play
MAX_NOTES = 10_000  # a hundred kilobytes of MIDI
TRACK = "player"


class Recording:
    """The turns of one session whose player agreed that they are kept."""

    def __init__(self, qpm: float, beats_per_bar: int) -> None:
        """Nothing yet; ``qpm`` is the tempo of the file."""
        self._qpm = qpm
        self._beats_per_bar = beats_per_bar
        self._turns: dict[int, np.ndarray] = {}  # NOTE[n], in quarter notes from the session's start
        self._begins: dict[int, float] = {}
        self._end = 0.0

    def play(self, turn: int, notes: np.ndarray, qpm: float, bars: int, answer_bars: int, keep: bool) -> None:
        """Add a turn, NOTE[n] in seconds at ``qpm``; its notes are kept if ``keep``. It replaces one of its number."""
        begin = self._begins.setdefault(turn, self._end)
        self._end = begin + (bars + answer_bars) * self._beats_per_bar
        self._turns.pop(turn, None)
        over = bars * self._beats_per_bar
        # What is played into the answer does not belong to the call.
        notes = notes[notes["start"] * (qpm / 60.0) < over]
        kept = sum(map(len, self._turns.values()))
        if keep and notes.size and len(self._turns) < MAX_TURNS and kept + notes.size <= MAX_NOTES:
            for name in ("start", "end"):
                notes[name] = np.minimum(notes[name] * (qpm / 60.0), over) + begin
            self._turns[turn] = notes

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not self._turns

    def midi(self) -> bytes:
        """The file, of at least one turn."""
        notes = np.concatenate([self._turns[turn] for turn in sorted(self._turns)])
        first_bar = np.floor(notes["start"].min() / self._beats_per_bar) * self._beats_per_bar
        for name in ("start", "end"):
            notes[name] = (notes[name] - first_bar) * (60.0 / self._qpm)
        return write_midi([Track(TRACK, notes)], self._qpm, (self._beats_per_bar, 4))
