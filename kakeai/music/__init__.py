"""The light floor: MIDI, quantising, melodies. NumPy only; the gateway stands on it."""
