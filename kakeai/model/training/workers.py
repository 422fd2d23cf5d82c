"""Processes on several machines that share every batch.

`TF_CONFIG` tells who they are, as Kubeflow's training operator sets it in each pod of a TFJob. All of them hold the
whole model and see the whole batch; each works on its rows, and the sums over all rows are the same for everyone.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from kakeai.errors import KakeaiError, ServiceError

ROLES = ("chief", "worker")  # in the order of their numbers


class Workers:
    """This process among those that train together.

    Attributes:
        count: How many they are, this one counted in.
        index: Which this is; 0 writes the run's folder.
    """

    def __init__(
        self, count: int = 1, index: int = 0, strategy: tf.distribute.Strategy | None = None
    ) -> None:
        """Be one of `count`, joined by `strategy`; by default alone."""
        self.count, self.index, self._strategy = count, index, strategy

    @classmethod
    def met(cls) -> "Workers":
        """Meet the others that `TF_CONFIG` names, if any; to be called before TensorFlow is used for anything else.

        Raises:
            KakeaiError: `TF_CONFIG` is no description of a cluster.
        """
        text = os.environ.get("TF_CONFIG", "")
        if not text:
            return cls()
        try:
            described = json.loads(text)
            cluster = {role: described["cluster"][role] for role in ROLES if role in described["cluster"]}
            role, number = described["task"]["type"], int(described["task"]["index"])
            members = [(role, i) for role in cluster for i in range(len(cluster[role]))]
            index = members.index((role, number))
        except (ValueError, TypeError, KeyError) as error:
            raise KakeaiError(f"TF_CONFIG names no {' or '.join(ROLES)} ({error!r}): {text[:200]}") from None
        if len(members) == 1:
            return cls()
        # Without accelerators: the sum over machines is made by their CPUs, whatever computes the gradients.
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster), task_type=role, task_id=number, rpc_layer="grpc"
        )
        return cls(len(members), index, tf.distribute.MultiWorkerMirroredStrategy(resolver))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it, the end of one of the others ends this one too.

        Raises:
            ServiceError: One has ended, or cannot be reached.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self._strategy is None or "Collective" not in error.message:
                raise
            raise ServiceError(
                f"worker {self.index} of {self.count} has lost another; start all of them again, and they go on from "
                f"the newest checkpoint ({error.message.splitlines()[0]})"
            ) from None

    def agree(self, number: int) -> bool:
        """Return whether all processes have the same number."""
        return bool(self.sums([tf.constant(float(number))])[0] == float(self.count * number))

    @tf.function
    def sums(self, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the sums over all processes of float32 tensors."""
        if self._strategy is None:
            return list(tensors)
        # One message for all of them.
        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)
        total = self._strategy.run(_sum, args=(flat,))
        parts = tf.split(total, tf.stack([tf.size(tensor) for tensor in tensors]), num=len(tensors))
        return [tf.reshape(part, tf.shape(tensor)) for part, tensor in zip(parts, tensors, strict=True)]


def _sum(values: tf.Tensor) -> tf.Tensor:
    own = tf.identity(values)  # puts them on the replica's device, where the strategy looks
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
