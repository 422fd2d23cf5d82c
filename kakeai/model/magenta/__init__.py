"""Magenta's files: `.mag` bundles, checkpoints of TensorFlow's first format, names of weights."""
