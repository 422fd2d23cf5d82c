"""The folder that `convert` writes and training reads.

`training.tfrecord` and `eval.tfrecord` hold a `tf.train.Example` for each melody: `melody`, its events as
int8 bytes, and `source`, the file it is from. `dataset.json` tells how they came about.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.music.melody import NO_EVENT

TRAINING, EVAL, INFO = "training.tfrecord", "eval.tfrecord", "dataset.json"


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says.

    Attributes:
        config: Name of the configuration that the dataset was made for.
        eval_ratio: Share of the source files that was to be held out.
        split: The rule by which they were.
        fingerprint: SHA-256 over the sorted paths and SHA-256s of the source files.
        num_files: Source files, each content once.
        num_rejected: Files that could not be read.
        num_note_sequences: Pieces in the source files.
        num_training_melodies: Melodies to learn from.
        num_eval_melodies: Melodies held out.
        dropped: How often each reason kept a melody out.
        extraction: The rules by which melodies were found, by name.
    """

    config: str
    eval_ratio: float
    split: str
    fingerprint: str
    num_files: int
    num_rejected: int
    num_note_sequences: int
    num_training_melodies: int
    num_eval_melodies: int
    dropped: dict[str, int]
    extraction: dict[str, int | float]


def write_dataset_info(folder: Path, info: DatasetInfo) -> None:
    """Write `dataset.json` into `folder`."""
    (folder / INFO).write_text(json.dumps(dataclasses.asdict(info), indent=2) + "\n")


def read_dataset_info(folder: Path) -> DatasetInfo:
    """Read `dataset.json` in `folder`.

    Raises:
        KakeaiError: There is none, or it is none of ours.
    """
    path = folder / INFO
    try:
        return DatasetInfo(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise KakeaiError(f"{folder} is no dataset: it has no {INFO}; make one with kakeai convert") from None
    except (ValueError, TypeError) as error:
        raise KakeaiError(f"{path} is damaged ({error}); make the dataset anew with kakeai convert") from None


def write_dataset(path: Path, melodies: Iterable[tuple[np.ndarray, str]]) -> None:
    """Write one side of a dataset: melodies (int8 [steps] each) with the files they are from."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for melody, source in melodies:
            example = tf.train.Example()
            example.features.feature["melody"].bytes_list.value.append(melody.astype(np.int8).tobytes())
            example.features.feature["source"].bytes_list.value.append(source.encode())
            writer.write(example.SerializeToString(deterministic=True))


def read_dataset(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Read one side of a dataset.

    Returns:
        The melodies, int8 [steps] each, and the file that each is from.

    Raises:
        KakeaiError: No such file, or a damaged one.
    """
    import tensorflow as tf

    if not path.is_file():
        raise KakeaiError(f"there is no {path}; make the dataset with kakeai convert")
    melodies, sources = [], []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            melody = np.frombuffer(features["melody"].bytes_list.value[0], np.int8)
            if melody.min(initial=NO_EVENT) < NO_EVENT:
                raise ValueError("an event below -2")
            melodies.append(melody)
            sources.append(features["source"].bytes_list.value[0].decode())
    except Exception as error:  # TensorFlow and protobuf each raise kinds of their own
        raise KakeaiError(
            f"{path} is damaged ({type(error).__name__}); make the dataset anew with kakeai convert"
        ) from None
    return melodies, sources
