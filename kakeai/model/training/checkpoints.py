"""Checkpoints: all that a training needs to go on, one file for each.

RUN/checkpoints/STEP.npz, in a local folder or a bucket. A single file is there whole or not at all, wherever it is.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.storage import names_in, read_bytes, write_whole

if TYPE_CHECKING:
    from cloudpathlib import GSPath

KEPT_CHECKPOINTS = 10  # Magenta's --num_checkpoints
State = Mapping[str, np.ndarray]


def state_of(variables: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """Return the values of variables, in groups by name."""
    return {
        f"{group}/{i}": np.asarray(variable)
        for group, members in variables.items()
        for i, variable in enumerate(members)
    }


def assign(state: State, variables: Mapping[str, Sequence[Any]]) -> None:
    """Set variables to what `state_of` gave.

    Raises:
        KakeaiError: The state is that of others.
    """
    for group, members in variables.items():
        for i, variable in enumerate(members):
            try:
                variable.assign(state[f"{group}/{i}"])
            except (KeyError, ValueError) as error:
                raise KakeaiError(f"a checkpoint fits another model, by {group}/{i}: {error}") from None


def steps(run_dir: "Path | GSPath") -> list[int]:
    """Return the steps that there are checkpoints of, the earliest first."""
    names = [name.removesuffix(".npz") for name in names_in(run_dir / "checkpoints")]
    return sorted(int(name) for name in names if name.isdecimal())


def save(run_dir: "Path | GSPath", step: int, state: State) -> None:
    """Write the checkpoint of a step."""
    content = io.BytesIO()
    np.savez(content, **state)  # pyright: ignore[reportArgumentType]  its stub takes the arrays for its flag
    write_whole(_path(run_dir, step), content.getvalue())


def load(run_dir: "Path | GSPath", step: int) -> dict[str, np.ndarray]:
    """Read the checkpoint of a step.

    Raises:
        KakeaiError: It is damaged.
    """
    path = _path(run_dir, step)
    try:
        with np.load(io.BytesIO(read_bytes(path))) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise KakeaiError(f"{path} is damaged ({error}); remove it, and an earlier one is taken") from None


def newest(run_dir: "Path | GSPath") -> dict[str, np.ndarray] | None:
    """Return the newest checkpoint that is whole, None without any."""
    for step in reversed(steps(run_dir)):
        try:
            return load(run_dir, step)
        except KakeaiError:
            continue
    return None


def prune(run_dir: "Path | GSPath", best: int) -> None:
    """Remove all but the newest checkpoints and the one of step `best`."""
    for step in steps(run_dir)[:-KEPT_CHECKPOINTS]:
        if step != best:
            _path(run_dir, step).unlink(missing_ok=True)


def _path(run_dir: "Path | GSPath", step: int) -> "Path | GSPath":
    return run_dir / "checkpoints" / f"{step}.npz"
