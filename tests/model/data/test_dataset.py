"""The dataset's folder, written and read, sound and damaged."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.errors import KakeaiError
from kakeai.model.data.dataset import (
    DatasetInfo,
    read_dataset,
    read_dataset_info,
    write_dataset,
    write_dataset_info,
)

INFO = DatasetInfo("basic_rnn", 0.1, "by hash", "abc", 3, 1, 3, 2, 1, {"polyphony": 4}, {"min_bars": 7})


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(-2, 127)), st.text(st.characters(codec="utf-8")))))
def test_melodies_are_read_as_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("dataset") / "training.tfrecord"
    write_dataset(path, ((np.array(events, np.int8), source) for events, source in rows))
    melodies, sources = read_dataset(path)
    assert [melody.tolist() for melody in melodies] == [events for events, _ in rows]
    assert sources == [source for _, source in rows]


def test_the_info_is_read_as_written(tmp_path):
    write_dataset_info(tmp_path, INFO)
    assert read_dataset_info(tmp_path) == INFO


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": "basic_rnn", "colour": 1}'])
def test_a_damaged_info_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(KakeaiError, match=r"is damaged .* kakeai convert"):
        read_dataset_info(tmp_path)


def test_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(KakeaiError, match="is no dataset"):
        read_dataset_info(tmp_path)
    with pytest.raises(KakeaiError, match="kakeai convert"):
        read_dataset(tmp_path / "training.tfrecord")


def test_damaged_melodies_are_refused(tmp_path):
    path = tmp_path / "training.tfrecord"
    write_dataset(path, [(np.array([60, -2], np.int8), "a.mid")])
    content = path.read_bytes()
    for damaged in (content[:-3], content[:40] + b"\xff" + content[41:], b"junk" * 9):
        path.write_bytes(damaged)
        with pytest.raises(KakeaiError, match="is damaged"):
            read_dataset(path)
    write_dataset(path, [(np.array([60, -3], np.int8), "a.mid")])
    with pytest.raises(KakeaiError, match="is damaged"):
        read_dataset(path)


def test_the_info_is_plain_json(tmp_path):
    import json

    write_dataset_info(tmp_path, INFO)
    assert json.loads((tmp_path / "dataset.json").read_text()) == dataclasses.asdict(INFO)
