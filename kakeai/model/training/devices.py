"""The GPUs of this machine."""

import tensorflow as tf

from kakeai.errors import KakeaiError


def gpu_names(number: int = 0) -> list[str]:
    """Return the TensorFlow names of so many GPUs, of all for 0; none where there are none.

    Raises:
        KakeaiError: There are fewer.
    """
    names = [device.name for device in tf.config.list_logical_devices("GPU")]
    if number > len(names):
        raise KakeaiError(f"--gpus asks for {number}, but TensorFlow sees {len(names)} here; lower it")
    return names[:number] if number else names


def without_gpu() -> str:
    """Return a sentence where TensorFlow was built for GPUs and sees none, as in the GPU image without a driver."""
    if tf.test.is_built_with_cuda() and not gpu_names():
        return "TensorFlow is built for GPUs and sees none here: training on processors"
    return ""
