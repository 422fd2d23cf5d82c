"""TFRecord files, against TensorFlow's own reader and writer."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kakeai.model.data.tfrecord import read_records, write_records

RECORDS = st.lists(st.binary(max_size=300), max_size=8)


@settings(max_examples=25, deadline=None)
@given(RECORDS)
def test_files_equal_tensorflows(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("records")
    with tf.io.TFRecordWriter(str(folder / "theirs")) as writer:
        for record in records:
            writer.write(record)
    write_records(folder / "ours", records)
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes()
    assert list(read_records(folder / "theirs")) == records


def test_any_flipped_bit_or_missing_end_is_seen(tmp_path):
    path = tmp_path / "records"
    write_records(path, [b"one", b"two"])
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        with pytest.raises(ValueError, match=r"damaged|cut short"):
            list(read_records(path))
        path.write_bytes(content[:at])
        if at not in (0, len(content) // 2):  # the ends of records
            with pytest.raises(ValueError, match=r"damaged|cut short"):
                list(read_records(path))


def test_a_lying_length_costs_no_memory(tmp_path):
    path = tmp_path / "records"
    write_records(path, [b"x"])
    import google_crc32c

    length = (2**62).to_bytes(8, "little")
    crc = google_crc32c.value(length)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    path.write_bytes(length + masked.to_bytes(4, "little") + b"junk")
    with pytest.raises(ValueError, match="cut short"):
        list(read_records(path))
