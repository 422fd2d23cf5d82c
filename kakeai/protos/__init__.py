"""Protocol buffers as generated code, with type stubs, so that no process imports TensorFlow for its messages.

`tensorflow`, `tensorflow_serving` and `xla` hold the messages of TensorFlow and TF Serving (Apache License 2.0,
Copyright The TensorFlow Authors), generated from the descriptors in the packages that `locks/dev.txt` pins. Each
descriptor is equal to theirs, byte by byte, so both can be loaded in one process. `kakeai` holds the messages of the
`.proto` files beside it.

`python -m kakeai.protos.generate` writes all of them; a test compares the result with these files.
"""
