"""What all tests share."""

import kakeai.model  # noqa: F401  settles TensorFlow's Keras before any test imports TensorFlow
