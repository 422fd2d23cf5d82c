"""Files → NoteSequences: what reads them, what became of each, and what earlier runs have read."""
