"""Stores to try changes on: versions whose files all carry one mark, so that a mixture of two would be seen."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from buckets import Bucket
from touches import before_each_touch

from kakeai import store as model_store
from kakeai.storage import location, write_whole
from kakeai.store.layout import GRAPH

MODEL = "tiny"
NAMES = (GRAPH, "variables/variables.index", "variables/variables.data-00000-of-00001")


class Store:
    """A model store with the model `tiny`.

    Attributes:
        path: The store.
    """

    def __init__(
        self,
        url: str,
        sources: Path,
        contents: Callable[[], Mapping[str, bytes]],
        put: Callable[[str, bytes], None],
        watching: Callable[[Callable[[], None]], AbstractContextManager[None]],
    ) -> None:
        self.path = location(url)
        self._sources = sources
        self._contents = contents
        self._put = put
        self._watching = watching

    def files(self, mark: str) -> dict[str, Path]:
        """The files of a version, as a bundle has them."""
        for name in NAMES:
            (self._sources / mark / name).parent.mkdir(parents=True, exist_ok=True)
            (self._sources / mark / name).write_text(f"{name} {mark}")
        return {name: self._sources / mark / name for name in NAMES}

    def publish(self, mark: str, parent: int | None = None) -> int:
        """Publish a version of that mark."""
        if parent is None:
            parent = model_store.champion(self.path, MODEL)
        return model_store.publish(self.files(mark), {"bundle_sha256": mark}, self.path, MODEL, parent)

    def seed(self, marks: str) -> None:
        """Put versions of those marks there without asking the store."""
        for number, mark in enumerate(marks, 1):
            card = {"bundle_sha256": mark, "version": number, "parent": number - 1 or None}
            contents = {name: f"{name} {mark}".encode() for name in NAMES}
            for name, content in {**contents, model_store.CARD: json.dumps(card).encode()}.items():
                self._put(f"{number}/{name}", content)

    @contextmanager
    def interrupted(self, moment: int, do: Callable[[], Any]) -> Iterator[list[Any]]:
        """Call `do` right before the `moment`th time that the store is touched in the `with` block.

        Yields a list that then holds what `do` returned; it stays empty if the store is not touched so often.
        """
        touches: Iterator[int] = count(1)
        returned: list[Any] = []
        failed: list[Exception] = []

        def touched() -> None:
            if next(touches) == moment:
                try:
                    returned.append(do())
                except Exception as error:
                    failed.append(error)

        with self._watching(touched):
            yield returned
        if failed:
            raise failed[0]

    def contents(self) -> dict[str, bytes]:
        """Everything under the model's folder."""
        return dict(self._contents())

    def marks(self) -> dict[int, str]:
        """The mark of each version that a loader would take, which must be whole and of one mark."""
        return marks(self.contents())

    def debris(self) -> list[str]:
        """What belongs to no version."""
        mine = {f"{number}/{name}" for number in self.marks() for name in (*NAMES, model_store.CARD)}
        return sorted(name for name in self.contents() if name not in mine and not name.startswith("pruned/"))


def marks(contents: Mapping[str, bytes]) -> dict[int, str]:
    """The mark of each version that a loader would take, which must be whole and of one mark."""
    found = {}
    for name in contents:
        number, _, rest = name.partition("/")
        if number.isdigit() and rest == GRAPH:
            card = json.loads(contents[f"{number}/{model_store.CARD}"])
            mark = card["bundle_sha256"]
            assert card["version"] == int(number)
            for other in NAMES:
                assert contents[f"{number}/{other}"].decode() == f"{other} {mark}", name
            found[int(number)] = mark
    return found


@pytest.fixture
def in_folder(tmp_path) -> Store:
    """An empty store in a folder."""
    return folder_store(tmp_path / "store", tmp_path / "sources")


@pytest.fixture
def new_in_bucket(bucket: Bucket, tmp_path) -> Callable[[], Store]:
    """Makes empty stores in a bucket."""

    def make() -> Store:
        url = bucket.folder()
        base = f"{url}/{MODEL}"
        return Store(
            url,
            tmp_path / "sources",
            lambda: {name: bucket.read(f"{base}/{name}") for name in bucket.names(base)},
            lambda name, content: bucket.put(f"{base}/{name}", content),
            lambda do: bucket.answering(lambda call: do()),
        )

    return make


@pytest.fixture
def new_in_folder(tmp_path) -> Callable[[], Store]:
    """Makes empty stores in folders."""
    numbers = count(1)
    return lambda: folder_store(tmp_path / "stores" / str(next(numbers)), tmp_path / "sources")


@pytest.fixture(params=["new_in_folder", "new_in_bucket"])
def new_store(request) -> Callable[[], Store]:
    """Makes empty stores, in folders and in a bucket."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def in_bucket(new_in_bucket) -> Store:
    """An empty store in a bucket."""
    return new_in_bucket()


@pytest.fixture(params=["in_folder", "in_bucket"])
def store(request) -> Store:
    """An empty store, in a folder and in a bucket."""
    return request.getfixturevalue(request.param)


def folder_store(folder: Path, sources: Path) -> Store:
    base = folder / MODEL

    def contents() -> dict[str, bytes]:
        files = (path for path in base.rglob("*") if path.is_file())
        return {path.relative_to(base).as_posix(): path.read_bytes() for path in files}

    return Store(
        str(folder),
        sources,
        contents,
        lambda name, content: write_whole(base / name, content),
        partial(before_each_touch, base),
    )


@pytest.fixture
def store_in(tmp_path) -> Callable[[Path], Store]:
    """The store that lies in a folder already."""
    return lambda folder: folder_store(folder, tmp_path / "sources")
