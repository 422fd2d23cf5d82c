"""The GPUs of this machine."""

import tensorflow as tf

from kakeai.errors import KakeaiError


def gpu_names(number: int | None = None) -> list[str]:
    """Return the TensorFlow names of so many GPUs, by default of all; none where there are none.

    0 hides them from TensorFlow, which would use one otherwise; ask so before TensorFlow has used one.

    Raises:
        KakeaiError: There are fewer.
    """
    if number == 0:
        tf.config.set_visible_devices([], "GPU")
        return []
    names = [device.name for device in tf.config.list_logical_devices("GPU")]
    if number is not None and number > len(names):
        raise KakeaiError(f"--gpus asks for {number}, but TensorFlow sees {len(names)} here; lower it")
    return names[:number]


def without_gpu() -> str:
    """Return a sentence where TensorFlow was built for GPUs and sees none, as in the GPU image without a driver."""
    if tf.test.is_built_with_cuda() and not gpu_names():
        return "TensorFlow is built for GPUs and sees none here: training on processors"
    return ""
