"""Kakeai as a library: read MIDI, load a model, let it answer. The stages are in `kakeai.stages`.

import kakeai

phrase = kakeai.melody_of(kakeai.read_midi("phrase.mid"))
partner = kakeai.load("work/kakeai.mag")
answer = partner.answer(phrase, steps=32, temperature=1.0, seed=7)
kakeai.write_midi("answer.mid", answer)
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    import numpy as np

    from kakeai.music.score import Score
    from kakeai.partner import Partner

__all__ = ["KakeaiError", "load", "melody_of", "read_midi", "write_midi"]

# Each function imports what it needs when it is called, so that `import kakeai` is light.


def read_midi(path: "str | os.PathLike[str]") -> "Score":
    """Return a MIDI file's notes, tempos, metres and keys.

    Raises:
        KakeaiError: The file cannot be read, or it is no MIDI file.
    """
    from kakeai.music.midi import read_midi as parse

    try:
        return parse(Path(path).expanduser().read_bytes())
    except OSError as error:
        raise KakeaiError(f"cannot read {path}: {error.strerror}") from None
    except KakeaiError as error:
        raise KakeaiError(f"cannot read {path}: {error}") from None


def melody_of(score: "Score") -> "np.ndarray":
    """Return the melody of a score as events, int8 [steps]: the highest note of each step, up to the last note's end.

    A step is a sixteenth in the score's first tempo. -2 is no new event, -1 a note-off, 0 to 127 a pitch.
    """
    from kakeai.music.melody import melody_of_score

    return melody_of_score(score)


def load(bundle: "str | os.PathLike[str]") -> "Partner":
    """Return the model in a `.mag` bundle, of Kakeai or of Magenta, ready to answer.

    Raises:
        KakeaiError: The file cannot be read, it is no bundle, or TensorFlow is not installed.
    """
    from kakeai.extras import require

    require("tensorflow", "kakeai.load", "pipeline")
    from kakeai.partner import Partner

    return Partner.load(Path(bundle).expanduser())


def write_midi(path: "str | os.PathLike[str]", melody: "np.ndarray", qpm: float = 120.0) -> None:
    """Write a melody (events as of `melody_of`) as a MIDI file in a tempo of `qpm` quarter notes a minute.

    Raises:
        KakeaiError: The file cannot be written.
    """
    from kakeai.music.melody import notes_from_melody
    from kakeai.music.midi import Track
    from kakeai.music.midi import write_midi as encode
    from kakeai.storage import write_whole

    content = encode([Track("melody", notes_from_melody(melody, qpm))], qpm)
    try:
        write_whole(Path(path).expanduser(), content)
    except OSError as error:
        raise KakeaiError(f"cannot write {path}: {error.strerror}") from None
