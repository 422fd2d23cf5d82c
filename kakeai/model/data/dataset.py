"""The folder that `convert` writes and training reads.

`training.tfrecord` and `eval.tfrecord` hold a `tf.train.Example` for each melody: `melody`, its events as
int8 bytes, and `source`, the file it is from. `dataset.json` tells how they came about.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.model.data.tfrecord import read_records, write_records
from kakeai.music.melody import NO_EVENT
from kakeai.protos.kakeai.formats_pb2 import BytesList, Example, Feature, FeatureEntry, Features

TRAINING, EVAL, INFO = "training.tfrecord", "eval.tfrecord", "dataset.json"


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says.

    Attributes:
        config: Name of the configuration that the dataset was made for.
        eval_ratio: Share of the source files that was to be held out.
        split: The rule by which they were.
        fingerprint: SHA-256 over the sorted paths and SHA-256s of the source files (a manifest's, which names no paths,
            is another one).
        num_files: Source files, each content once.
        num_rejected: Files that could not be read.
        num_note_sequences: Pieces in the source files.
        num_training_melodies: Melodies to learn from, transposed copies counted in.
        num_eval_melodies: Melodies held out.
        dropped: How often each reason kept music out: stretches of tracks, or whole files.
        extraction: The rules by which melodies were found, by name.
        transpose: Semitones that training melodies were copied up and down by, such as -5..6; empty for none.
        num_transposed: How many of the training melodies are such copies.
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
    extraction: dict[str, int | float | str]
    transpose: str = ""
    num_transposed: int = 0


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
    write_records(path, (_example(melody, source) for melody, source in melodies))


def _example(melody: np.ndarray, source: str) -> bytes:
    values = {"melody": melody.astype(np.int8).tobytes(), "source": source.encode()}
    entries = [
        FeatureEntry(key=key, value=Feature(bytes_list=BytesList(value=[value])))
        for key, value in values.items()
    ]
    return Example(features=Features(feature=entries)).SerializeToString()


def read_dataset(path: Path) -> tuple[list[np.ndarray], list[str]]:
    """Read one side of a dataset.

    Returns:
        The melodies, int8 [steps] each, and the file that each is from.

    Raises:
        KakeaiError: No such file, or a damaged one.
    """
    if not path.is_file():
        raise KakeaiError(f"there is no {path}; make the dataset with kakeai convert")
    melodies, sources = [], []
    try:
        for melody, source in _melodies(path):
            melodies.append(melody)
            sources.append(source)
    except Exception as error:  # protobuf raises a kind of its own
        raise KakeaiError(
            f"{path} is damaged ({type(error).__name__}); make the dataset anew with kakeai convert"
        ) from None
    return melodies, sources


def _melodies(path: Path) -> Iterator[tuple[np.ndarray, str]]:
    for record in read_records(path):
        entries = Example.FromString(record).features.feature
        features = {entry.key: entry.value.bytes_list.value for entry in entries}
        melody = np.frombuffer(features["melody"][0], np.int8)
        if melody.min(initial=NO_EVENT) < NO_EVENT:
            raise ValueError("an event below -2")
        yield melody, features["source"][0].decode()
