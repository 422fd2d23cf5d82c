"""How many GPUs a run of the pipeline asks for.

The pipeline's parameter is a string: KFP's driver takes a pod's accelerator limit from strings alone, and leaves the
limit out of the pod without an error where the parameter is a number.
"""

from kakeai.errors import KakeaiError


def gpu_count(gpus: str) -> int | None:
    """Return the number of GPUs that the parameter `gpus` asks for; None for all that the machine has.

    Args:
        gpus: A whole number, "0" for training on processors; empty for all that the machine has.

    Raises:
        KakeaiError: It is anything else.
    """
    if not gpus:
        return None
    if not (gpus.isascii() and gpus.isdigit()):
        raise KakeaiError(f"gpus must be a whole number, such as 0 or 1, not {gpus!r}")
    return int(gpus)
