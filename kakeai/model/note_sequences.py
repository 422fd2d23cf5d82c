"""A score as a ``note_seq.NoteSequence`` and back."""

import numpy as np
from note_seq.protobuf import music_pb2

from kakeai.music.midi import KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Score


def score_to_note_sequence(score: Score) -> music_pb2.NoteSequence:
    """The NoteSequence that ``note_seq.midi_io.midi_to_note_sequence`` makes of the bytes behind `score`.

    Names of instruments, control changes and pitch bends are left out.
    """
    sequence = music_pb2.NoteSequence(ticks_per_quarter=score.ticks_per_quarter, total_time=score.total_time)
    sequence.source_info.parser = music_pb2.NoteSequence.SourceInfo.PRETTY_MIDI
    sequence.source_info.encoding_type = music_pb2.NoteSequence.SourceInfo.MIDI
    for time, numerator, denominator in score.time_signatures.tolist():
        sequence.time_signatures.add(time=time, numerator=numerator, denominator=denominator)
    for time, key, mode in score.key_signatures.tolist():
        sequence.key_signatures.add(time=time, key=key, mode=mode)
    for time, qpm in score.tempos.tolist():
        sequence.tempos.add(time=time, qpm=qpm)
    add = sequence.notes.add
    for pitch, velocity, start, end, instrument, program, is_drum in score.notes.tolist():
        add(
            pitch=pitch, velocity=velocity, start_time=start, end_time=end,
            instrument=instrument, program=program, is_drum=is_drum,
        )  # fmt: skip
    return sequence


def note_sequence_to_score(sequence: music_pb2.NoteSequence) -> Score:
    """The score of a NoteSequence, in its own order of notes."""
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
