"""Phrases that players agree to give, written as a corpus for the next training."""
