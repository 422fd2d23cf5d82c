"""Where a model's folder is: on a disk or in a bucket; and what is said where neither can be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from kakeai.storage import bucket_errors
from kakeai.store.shelf import Shelf

if TYPE_CHECKING:
    from cloudpathlib import GSPath


def shelf(store: "Path | GSPath", model: str) -> Shelf:
    """Return a model's folder; it need not be there yet."""
    folder = store / model
    if isinstance(folder, Path):
        from kakeai.store.disk import DiskShelf

        return DiskShelf(folder)
    from kakeai.store.bucket import BucketShelf

    return BucketShelf(folder)


@contextmanager
def in_a_sentence(store: "Path | GSPath", doing: str) -> Iterator[None]:
    """Tell in one sentence why the store cannot be used.

    Raises:
        KakeaiError: With that sentence; a ServiceError if a bucket does not answer or lets nobody in.
    """
    try:
        with bucket_errors(store):
            yield
    except OSError as error:
        raise KakeaiError(f"cannot {doing} the model store {store}: {error}") from error
