"""The stages as one graph, and the ways to run it."""
