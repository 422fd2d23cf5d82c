"""Melodies that a model plays: sampling inside the graph, seeded draws, beam search, finished melodies."""
