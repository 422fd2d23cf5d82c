"""NoteSequences, melodies and datasets as files and as batches."""
