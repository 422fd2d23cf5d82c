"""A small corpus of real tunes for the stages' tests."""

import numpy as np
import pytest

import kakeai.model.data.note_sequences  # noqa: F401  imports note-seq, with its warnings unheard
from kakeai.model.data.dataset import DatasetInfo, write_dataset, write_dataset_info

TUNES = 30


@pytest.fixture(scope="session")
def ireland(tmp_path_factory):
    """A folder of MIDI files: O'Neill's first tunes, a third of them in a folder below."""
    from cli.oneills import oneills

    folder = tmp_path_factory.mktemp("corpus") / "ireland"
    oneills(folder, TUNES)
    (folder / "more").mkdir()
    for path in sorted(folder.glob("*.mid"))[::3]:
        path.rename(folder / "more" / path.name)
    return folder


@pytest.fixture(scope="session")
def note_sequences(ireland, tmp_path_factory):
    """What ingest makes of it."""
    from kakeai.stages.ingest import ingest

    output = tmp_path_factory.mktemp("ingested") / "note_sequences"
    ingest(str(ireland), output)
    return output


@pytest.fixture(scope="session")
def scales(tmp_path_factory):
    """A dataset of scales up and down, each from a note of its own: easy to learn."""
    folder = tmp_path_factory.mktemp("scales")
    rng = np.random.default_rng(0)
    tunes = [
        (rng.integers(50, 60) + np.array([0, 2, 4, 5, 7, 5, 4, 2] * 4, np.int8), f"{i}.mid")
        for i in range(40)
    ]
    write_dataset(folder / "training.tfrecord", tunes[:32])
    write_dataset(folder / "eval.tfrecord", tunes[32:])
    info = DatasetInfo("basic_rnn", 0.2, "by hand", "f" * 64, 40, 0, 40, 32, 8, {}, {})
    write_dataset_info(folder, info)
    return folder
