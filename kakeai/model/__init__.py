"""Models that learn melodies, with TensorFlow, Keras 3 and Magenta.

To read it, begin at the top of this list:

1. `configs`      the configurations and their hyperparameters
2. `encodings`    melody events ⇄ the network's inputs and labels
3. `network`      the recurrent network, over whole melodies and one step at a time
4. `data`         datasets, batches, NoteSequences
5. `training`     steps, evaluations, checkpoints, several machines
6. `sampling`     melodies that the network plays
7. `saved_model`  the network as a SavedModel for TF Serving
8. `magenta`      the network as a `.mag` bundle for Magenta, and back
9. `measuring`    how good it is
"""

import os

# Magenta 2.1.4 needs the Keras of its day behind `tf.keras`; Kakeai itself imports `keras` (3) by its own name.
# Both must be settled before TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow's own notices drown what a person wants to read; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
