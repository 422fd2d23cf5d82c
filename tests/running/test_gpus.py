"""The pipeline's number of GPUs, which is a string."""

import pytest

from kakeai.errors import KakeaiError
from kakeai.running.gpus import gpu_count


def test_a_number_none_and_all():
    assert [gpu_count(gpus) for gpus in ("2", "0", "")] == [2, 0, None]


@pytest.mark.parametrize("gpus", ["two", "0.5", "-1", "1.0", " 1", "²"])
def test_what_is_no_whole_number_is_refused(gpus):
    with pytest.raises(KakeaiError, match="gpus must be a whole number"):
        gpu_count(gpus)
