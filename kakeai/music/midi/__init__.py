"""MIDI bytes ⇄ a score."""

from kakeai.music.midi.batch import read_midi_files
from kakeai.music.midi.format import MidiError
from kakeai.music.midi.mending import mend_midi
from kakeai.music.midi.reading import read_midi
from kakeai.music.midi.writing import Track, write_midi

__all__ = ["MidiError", "Track", "mend_midi", "read_midi", "read_midi_files", "write_midi"]
