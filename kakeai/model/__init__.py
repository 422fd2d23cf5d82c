"""The heavy floor: TensorFlow, Keras and Magenta."""

import os

# Magenta 2.1.4 needs the Keras of its day behind `tf.keras`; Kakeai itself imports `keras` (3) by its own name.
# Both must be settled before TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow's own notices drown what a person wants to read; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
