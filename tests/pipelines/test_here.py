"""The pipeline on this machine."""

import pytest

from kakeai.errors import ExitStatus
from pipelines.here import StageError, run_here


def test_a_number_of_gpus_that_is_none_is_refused_by_the_first_stage(tmp_path):
    with pytest.raises(StageError, match="gpus must be a whole number, such as 0 or 1") as refused:
        run_here("corpus", str(tmp_path / "store"), tmp_path, lambda news: None, "kakeai", gpus="0.5")
    assert refused.value.exit_status == ExitStatus.BAD_INPUT
    assert not (tmp_path / "store").exists()
