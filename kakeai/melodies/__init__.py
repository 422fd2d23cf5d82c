"""NoteSequences → melodies: what the tracks of a corpus hold, which files are held out, and what became of each."""
