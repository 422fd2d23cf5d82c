"""A model's folder in a bucket, which has no renaming: a version is staged, and copied into its place graph last.

The staged graph, MODEL/.VERSION/saved_model.pb, is the first object of a release and its right to end: made only if
it is not there, it holds the number; the last copy is made from it and from no other generation of it. So whoever
deletes it has ended that release, and may then clear away what is left of it.
"""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed

from kakeai.store.layout import CARD, GRAPH, PRUNED, is_version
from kakeai.store.shelf import Sources, overtaken

if TYPE_CHECKING:
    from cloudpathlib import GSPath
    from google.cloud.storage import Blob

T = TypeVar("T")
R = TypeVar("R")

REQUESTS = 8  # at once; a version has about ten objects


class BucketShelf:
    """A model's folder; see `kakeai.store.shelf.Shelf`."""

    def __init__(self, folder: "GSPath") -> None:
        """Nothing need lie under `folder` yet."""
        self._folder = folder
        self._bucket = folder.client.client.bucket(folder.bucket)
        self._prefix = folder.blob.rstrip("/") + "/"

    def versions(self) -> list[int]:
        """Return the versions that are whole, by one listing."""
        return _whole(self._list())

    def read(self, name: str) -> bytes | None:
        """Return an object's content."""
        try:
            return self._blob(name).download_as_bytes()
        except NotFound:
            return None

    def files(self, version: int) -> Sources:
        """Return a version's files."""
        folder = self._folder / str(version)
        return {name: folder / name for name in self._list(f"{version}/")}

    def add(self, files: Sources, card: dict[str, Any]) -> int:
        """Stage the next version, copy it into its place, and tidy up."""
        number, claim = self._claim(files[GRAPH])
        try:
            contents: dict[str, Any] = {name: files[name] for name in files if name != GRAPH}
            contents[CARD] = json.dumps({**card, "version": number}, indent=1).encode()
            staged = _at_once(lambda name: self._put(f".{number}/{name}", contents[name]), contents)
            if max(self.versions(), default=0) != (card["parent"] or 0):
                raise overtaken(self._folder)
            self._copy_into_place(number, dict(zip(contents, staged, strict=True)), claim)
        except BaseException as error:
            with suppress(GoogleAPIError):  # else the next release does it
                self._clear(number)
            if isinstance(error, NotFound | PreconditionFailed):
                raise overtaken(self._folder) from None
            raise
        with suppress(GoogleAPIError):
            self.tidy()
        return number

    def remove(self, version: int, card: bytes) -> None:
        """Delete the graph, then the rest."""
        self._put(f"{PRUNED}/{version}.json", card)
        self._delete_version(version)

    def tidy(self) -> None:
        """End and clear away the releases that are staged, and go on with prunings that were begun."""
        names = self._list()
        for number in {int(name[1:].split("/")[0]) for name in names if is_version(name[1:].split("/")[0])}:
            self._clear(number)
        whole = _whole(names)
        pruned = {int(Path(name).stem) for name in names if name.startswith(f"{PRUNED}/")}
        for number in {int(name.split("/")[0]) for name in names if is_version(name.split("/")[0])} & pruned:
            if number not in whole:
                self._delete_version(number)

    def _claim(self, graph: Any) -> "tuple[int, Blob]":  # noqa: ANN401  a path
        # Numbers in use are those of versions, of releases under way and of versions pruned.
        firsts = {name.split("/")[0].removeprefix(".") for name in self._list()}
        pruned = {name.removesuffix(".json") for name in self._list(f"{PRUNED}/")}
        number = max((int(name) for name in firsts | pruned if is_version(name)), default=0) + 1
        while True:
            with suppress(PreconditionFailed):
                claim = self._put(f".{number}/{GRAPH}", graph, if_generation_match=0)
                if not self._list(f"{number}/"):
                    return number, claim
                claim.delete()  # a release that took this number ended just now
            number += 1

    def _copy_into_place(self, number: int, staged: "dict[str, Blob]", claim: "Blob") -> None:
        def copy(blob: "Blob", name: str) -> None:
            # A copy whose answer was lost is tried again, and then is there already.
            with suppress(PreconditionFailed):
                self._bucket.copy_blob(
                    blob,
                    self._bucket,
                    f"{self._prefix}{number}/{name}",
                    if_generation_match=0,
                    if_source_generation_match=blob.generation,
                )

        _at_once(lambda name: copy(staged[name], name), staged)
        self._check(number, staged)
        copy(claim, GRAPH)
        self._check(number, {**staged, GRAPH: claim})

    def _check(self, number: int, expected: "dict[str, Blob]") -> None:
        there = {name: blob.crc32c for name, blob in self._list(f"{number}/").items()}
        if there != {name: blob.crc32c for name, blob in expected.items()}:
            raise overtaken(self._folder)

    def _clear(self, number: int) -> None:
        # The claim first; whatever comes after it can be done again by the next who tidies up.
        self._delete([f".{number}/{GRAPH}"])
        if GRAPH not in (left := self._list(f"{number}/")):
            self._delete(f"{number}/{name}" for name in left)
        self._delete(f".{number}/{name}" for name in self._list(f".{number}/"))

    def _delete_version(self, number: int) -> None:
        self._delete([f"{number}/{GRAPH}"])
        self._delete(f"{number}/{name}" for name in self._list(f"{number}/"))

    def _delete(self, names: Iterable[str]) -> None:
        def delete(name: str) -> None:
            with suppress(NotFound):
                self._blob(name).delete()

        _at_once(delete, names)

    def _put(self, name: str, content: Any, if_generation_match: int | None = None) -> "Blob":  # noqa: ANN401
        blob = self._blob(name)
        match content:
            case bytes():
                blob.upload_from_string(content, "application/json", if_generation_match=if_generation_match)
            case Path():
                blob.upload_from_filename(str(content), if_generation_match=if_generation_match)
            case _:  # in the same bucket
                source = self._bucket.blob(content.blob)
                return self._bucket.copy_blob(
                    source, self._bucket, blob.name, if_generation_match=if_generation_match
                )
        return blob

    def _blob(self, name: str) -> "Blob":
        return self._bucket.blob(self._prefix + name)

    def _list(self, under: str = "") -> "dict[str, Blob]":
        prefix = self._prefix + under
        return {blob.name[len(prefix) :]: blob for blob in self._bucket.list_blobs(prefix=prefix)}


def _whole(names: Iterable[str]) -> list[int]:
    found = (name.split("/", 1) for name in names)
    return sorted(int(parts[0]) for parts in found if is_version(parts[0]) and parts[1:] == [GRAPH])


def _at_once(do: Callable[[T], R], those: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(REQUESTS) as threads:
        return list(threads.map(do, those))
