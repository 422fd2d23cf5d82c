"""Mixed precision: products at half the bits, everything else in float32 (Micikevicius et al. 2018, arXiv:1710.03740).

bfloat16 has float32's range. float16 has not: there the loss is scaled up, so that small gradients do not vanish.
"""

# Keras infers return types that its functions do not have.
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from kakeai.errors import KakeaiError

Tensor = Any
PRECISIONS = ("bfloat16", "float16")

# Keras's LossScaleOptimizer
FIRST_SCALE = 2.0**15
STEPS_BETWEEN_RISES = 2000


def check_precision(name: str) -> None:
    """Refuse what is none of `PRECISIONS`, nor empty for float32.

    Raises:
        KakeaiError: Such a name.
    """
    if name and name not in PRECISIONS:
        raise KakeaiError(f"--mixed-precision must be {' or '.join(PRECISIONS)}, not {name!r}")


def product(
    first: Tensor, second: Tensor, precision: str, transpose_a: bool = False, transpose_b: bool = False
) -> Tensor:
    """Return the float32 product of float32 [..., n] and float32 [n, m], computed in `precision`."""
    if precision:
        first, second = tf.cast(first, precision), tf.cast(second, precision)
    if transpose_a or transpose_b:
        return tf.cast(tf.matmul(first, second, transpose_a, transpose_b), tf.float32)
    return tf.cast(ops.matmul(first, second), tf.float32)


class LossScale:
    """What the loss is multiplied with: halved when gradients overflow, doubled after many steps without.

    Attributes:
        value: float32 [].
        variables: What a checkpoint keeps of it.
    """

    def __init__(self) -> None:
        """Begin with Keras's scale."""
        self.value = tf.Variable(tf.constant(FIRST_SCALE))
        self._steps = tf.Variable(tf.zeros([], tf.int64))
        self.variables = [self.value, self._steps]

    def apply(self, gradients: Sequence[tf.Tensor], apply: Callable[[], object]) -> None:
        """Call `apply` unless a gradient overflowed; the step is then left out."""
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])

        def keep() -> tf.Tensor:
            apply()
            rises = tf.equal(self._steps, STEPS_BETWEEN_RISES - 1)
            self.value.assign(tf.where(rises, self.value * 2.0, self.value))
            self._steps.assign(tf.where(rises, tf.zeros([], tf.int64), self._steps + 1))
            return finite

        def leave_out() -> tf.Tensor:
            self.value.assign(self.value / 2.0)
            self._steps.assign(tf.zeros([], tf.int64))
            return finite

        tf.cond(finite, keep, leave_out)
