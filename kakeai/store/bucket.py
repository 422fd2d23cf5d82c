"""A model's folder in a bucket, which has no renaming: a version is staged, and copied into its place graph last.

The staged graph, MODEL/.VERSION/saved_model.pb, is the first object of a release and its claim. It is made only if it
is not there, so it holds the number. The last copy is made from this generation of it alone, so a release whose claim
is deleted cannot end, and what is left of it can be cleared away. Two kinds of claims are deleted: those of numbers
that are not above the newest version, since their releases have ended or are overtaken; and those that were not
refreshed (`kakeai.store.leases`), since their releases are dead. Every deletion names the generation that was seen, so
it never meets what another release has put there since.
"""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed

from kakeai.errors import KakeaiError
from kakeai.store.layout import CARD, GRAPH, PRUNED, is_version
from kakeai.store.leases import DEAD_AFTER_SECONDS, refreshed
from kakeai.store.shelf import Sources, gone, overtaken, removed

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
        parent = card["parent"] or 0
        number, claim = self._claim(files[GRAPH])
        try:
            with refreshed(claim):
                staged = self._stage(number, files, card)
                self._commit(number, staged, claim, parent)
        except BaseException as error:
            with suppress(GoogleAPIError):  # else the next release does it
                self._clear(number, claim)
            if isinstance(error, NotFound | PreconditionFailed):
                raise self._lost(parent) from None
            raise
        with suppress(GoogleAPIError):
            self.tidy()
        return number

    def remove(self, version: int, card: bytes) -> None:
        """Delete the graph, then the rest."""
        self._put(f"{PRUNED}/{version}.json", card)
        self._delete_version(version)

    def tidy(self) -> None:
        """Clear away the releases that cannot end, and go on with prunings that were begun."""
        listed = self._list()
        whole = _whole(listed)
        for number in sorted({int(first[1:]) for first in _firsts(listed) if is_version(first[1:])}):
            claim = listed.get(f".{number}/{GRAPH}")
            if claim is None or number <= max(whole, default=0):
                self._clear(number, claim)
            elif self._is_dead(number, claim):
                self._clear(number, claim, claim.metageneration)
        pruned = {int(Path(name).stem) for name in listed if name.startswith(f"{PRUNED}/")}
        for number in {int(first) for first in _firsts(listed) if is_version(first)} & pruned - set(whole):
            self._delete_version(number)

    def _claim(self, graph: Any) -> "tuple[int, Blob]":  # noqa: ANN401  a path
        # Numbers in use are those of versions, of releases under way and of versions pruned.
        firsts = {first.removeprefix(".") for first in _firsts(self._list())}
        pruned = {name.removesuffix(".json") for name in self._list(f"{PRUNED}/")}
        number = max((int(name) for name in firsts | pruned if is_version(name)), default=0) + 1
        while True:
            with suppress(PreconditionFailed):
                claim = self._put(f".{number}/{GRAPH}", graph, if_generation_match=0)
                if not self._list(f"{number}/"):
                    return number, claim
                self._delete([claim])  # a release that took this number ended just now
            number += 1

    def _stage(self, number: int, files: Sources, card: dict[str, Any]) -> "dict[str, Blob]":
        contents: dict[str, Any] = {name: files[name] for name in files if name != GRAPH}
        contents[CARD] = json.dumps({**card, "version": number}, indent=1).encode()
        staged = _at_once(lambda name: self._put(f".{number}/{name}", contents[name]), contents)
        return dict(zip(contents, staged, strict=True))

    def _commit(self, number: int, staged: "dict[str, Blob]", claim: "Blob", parent: int) -> None:
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

        def check(expected: "dict[str, Blob]") -> None:
            there = {name: blob.crc32c for name, blob in self._list(f"{number}/").items()}
            if there != {name: blob.crc32c for name, blob in expected.items()}:
                raise self._lost(parent)

        self._check_newest(parent)
        _at_once(lambda name: copy(staged[name], name), staged)
        check(staged)
        self._check_newest(parent)
        copy(claim, GRAPH)
        check({**staged, GRAPH: claim})

    def _check_newest(self, parent: int) -> None:
        if max(self.versions(), default=0) != parent:
            raise overtaken(self._folder)

    def _lost(self, parent: int) -> KakeaiError:
        if max(self.versions(), default=0) != parent:
            return overtaken(self._folder)
        return removed(
            self._folder,
            "`kakeai models prune` and other releases do that to a release that has not refreshed its claim for "
            f"{DEAD_AFTER_SECONDS:.0f} s",
        )

    def _is_dead(self, number: int, claim: "Blob") -> bool:
        # An object that is written now has the bucket's time. It lies where clearing would take it away.
        mark: Any = self._put(f".{number}/now", b"")
        self._delete([mark])
        return mark.updated - claim.updated > timedelta(seconds=DEAD_AFTER_SECONDS)

    def _clear(self, number: int, claim: "Blob | None", metageneration: int | None = None) -> None:
        # The claim first; what comes after it can be done again by the next who tidies up.
        if claim is not None:
            self._delete([claim], metageneration)
        listed = self._list()
        if f".{number}/{GRAPH}" in listed:
            return  # it was refreshed, or the number is another release's by now
        if f"{number}/{GRAPH}" not in listed:
            self._delete(blob for name, blob in listed.items() if name.startswith(f"{number}/"))
        self._delete(blob for name, blob in listed.items() if name.startswith(f".{number}/"))

    def _delete_version(self, number: int) -> None:
        files = self._list(f"{number}/")
        self._delete(blob for name, blob in files.items() if name == GRAPH)
        self._delete(blob for name, blob in files.items() if name != GRAPH)

    def _delete(self, blobs: "Iterable[Blob]", metageneration: int | None = None) -> None:
        def delete(blob: "Blob") -> None:
            # Another one was faster, or it is no longer what was seen.
            with suppress(NotFound, PreconditionFailed):
                self._bucket.delete_blob(
                    blob.name,
                    if_generation_match=blob.generation,
                    if_metageneration_match=metageneration,
                )

        _at_once(delete, blobs)

    def _put(self, name: str, content: Any, if_generation_match: int | None = None) -> "Blob":  # noqa: ANN401
        blob = self._blob(name)
        match content:
            case bytes():
                blob.upload_from_string(content, "application/json", if_generation_match=if_generation_match)
            case Path():
                try:
                    blob.upload_from_filename(str(content), if_generation_match=if_generation_match)
                except FileNotFoundError:
                    raise gone(content) from None
            case _:  # in the same bucket
                source = self._bucket.blob(content.blob)
                try:
                    return self._bucket.copy_blob(
                        source, self._bucket, blob.name, if_generation_match=if_generation_match
                    )
                except NotFound:
                    raise gone(content) from None
        return blob

    def _blob(self, name: str) -> "Blob":
        return self._bucket.blob(self._prefix + name)

    def _list(self, under: str = "") -> "dict[str, Blob]":
        prefix = self._prefix + under
        return {blob.name[len(prefix) :]: blob for blob in self._bucket.list_blobs(prefix=prefix)}


def _firsts(names: Iterable[str]) -> set[str]:
    return {name.split("/")[0] for name in names}


def _whole(names: Iterable[str]) -> list[int]:
    found = (name.split("/", 1) for name in names)
    return sorted(int(parts[0]) for parts in found if is_version(parts[0]) and parts[1:] == [GRAPH])


def _at_once(do: Callable[[T], R], those: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(REQUESTS) as threads:
        return list(threads.map(do, those))
