"""`note_seq.NoteSequence` → score; the other way goes by `kakeai.model.data.note_sequence_bytes`."""

import warnings

import numpy as np

from kakeai.music.score import KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Score

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pydub, which note-seq loads: no ffmpeg, deprecated modules
    from note_seq.protobuf import music_pb2


def note_sequence_to_score(sequence: music_pb2.NoteSequence) -> Score:
    """Return the score of a NoteSequence, in its own order of notes."""
    return Score(
        notes=np.array(
            [
                (n.pitch, n.velocity, n.start_time, n.end_time, n.instrument, n.program, n.is_drum)
                for n in sequence.notes
            ],
            NOTE,
        ),
        tempos=np.array([(t.time, t.qpm) for t in sequence.tempos], TEMPO),
        time_signatures=np.array(
            [(t.time, t.numerator, t.denominator) for t in sequence.time_signatures], TIME_SIGNATURE
        ),
        key_signatures=np.array([(k.time, k.key, k.mode) for k in sequence.key_signatures], KEY_SIGNATURE),
        total_time=sequence.total_time,
        ticks_per_quarter=sequence.ticks_per_quarter,
    )
