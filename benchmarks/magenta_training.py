"""Magenta's training as it is: its SequenceExamples, its input queues, its graph. Run as a process of its own.

Prints one line of JSON: `seconds`, one number for each step. The weights after some steps go to a file on demand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def run(dataset: Path, config: str, hparams: str, steps: int, *options: str) -> list[float]:
    """Train in a process of its own; return the seconds of each step.

    Args:
        dataset: Folder that `convert` wrote.
        config: Name of a configuration.
        hparams: Changes to its hyperparameters, in Magenta's syntax.
        steps: Training steps.
        options: Others of this program.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = [sys.executable, "-m", __name__, str(dataset / "training.tfrecord"), config, hparams]
    command += ["--steps", str(steps), *options]
    # TensorFlow's allocator as Magenta's users have it; training here asks for another.
    environment = {**os.environ, "TF_CPU_ALLOCATOR_USE_BFC": "0"}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(ran.stdout.splitlines()[-1])["seconds"]


def main() -> None:
    """Train on the melodies of a dataset that `kakeai convert` wrote."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("melodies", type=Path, help="such as DATASET/training.tfrecord")
    parser.add_argument("config")
    parser.add_argument("hparams")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=int, default=512, help="steps of a melody that are used")
    parser.add_argument("--keep", type=int, nargs="*", default=[], help="steps whose weights go to --weights")
    parser.add_argument("--weights", type=Path, help=".npz file, names are STEP/VARIABLE")
    arguments = parser.parse_args()

    import kakeai.model  # noqa: F401  settles TensorFlow's Keras for Magenta
    from magenta.models.melody_rnn import melody_rnn_model  # isort: skip
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]
    from magenta.models.shared import events_rnn_graph
    from tensorflow.python.framework import ops

    ops.IndexedSlices = tf.IndexedSlices  # pyright: ignore[reportAttributeAccessIssue]  where Magenta's trainer looks for it
    tf1.disable_v2_behavior()
    config = melody_rnn_model.default_configs[arguments.config]
    config.hparams.parse(arguments.hparams)
    with tempfile.TemporaryDirectory() as folder:
        examples = Path(folder, "training.tfrecord")
        _write_examples(arguments.melodies, config, arguments.longest, arguments.seed, examples)
        tf1.set_random_seed(arguments.seed)
        events_rnn_graph.get_build_graph_fn("train", config, [str(examples)])()
        train_op = tf1.get_collection("train_op")[0]
        seconds, kept = [], {}

        def keep(step: int) -> None:
            if step in arguments.keep:
                values = session.run({variable.op.name: variable for variable in tf1.trainable_variables()})
                kept.update({f"{step}/{name}": value for name, value in values.items()})

        with tf1.Session() as session:
            session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
            keep(0)
            coordinator = tf1.train.Coordinator()
            threads = tf1.train.start_queue_runners(session, coordinator)
            for step in range(1, arguments.steps + 1):
                begun = time.perf_counter()
                session.run(train_op)
                seconds.append(time.perf_counter() - begun)
                keep(step)
            coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=10, ignore_live_threads=True)
    if arguments.weights:
        np.savez(arguments.weights, **kept)
    print(json.dumps({"seconds": seconds}))


def _write_examples(melodies: Path, config, longest: int, seed: int, path: Path) -> None:  # noqa: ANN001
    from magenta.models.melody_rnn.melody_rnn_pipeline import EncoderPipeline
    from note_seq import Melody

    from kakeai.model.data.dataset import read_dataset
    from kakeai.model.data.tfrecord import write_records

    encoder = EncoderPipeline(config, "encoder")
    # Magenta's queue mixes a hundred neighbours (`SHUFFLE_MIN_AFTER_DEQUEUE`), and a tune book goes kind by kind.
    events, _ = read_dataset(melodies)
    order = np.random.default_rng(seed).permutation(len(events))
    write_records(
        path,
        (
            example.SerializeToString()
            for i in order
            for example in encoder.transform(Melody([int(event) for event in events[i][:longest]]))
        ),
    )


if __name__ == "__main__":
    main()
