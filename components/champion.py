"""What the model in service was trained on."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kakeai import store as model_store
from kakeai.manifest import ManifestRow, fingerprint, read_manifest
from kakeai.storage import location, read_bytes

if TYPE_CHECKING:
    from types import TracebackType

_Members = tuple[str, Iterator[ManifestRow]]  # an archive's path, and what lies in it


class Champion(AbstractContextManager["Champion"]):
    """The newest version of a model in a store, with a copy of its corpus's manifest.

    Attributes:
        version: Its number; 0 where there is none.
        fingerprint: Of its corpus; empty where it has no manifest.
        recipe: How it was made; None where its card does not tell.
        contents: MD5 of each file of its corpus; empty where it has no manifest.
    """

    def __init__(self, store: str, model: str) -> None:
        """Look it up; an empty `store` has none.

        Raises:
            KakeaiError: A store that cannot be read.
        """
        self.version, self.fingerprint, self.contents = 0, "", frozenset[bytes]()
        self.recipe: Any = None
        self._folder = TemporaryDirectory(prefix="kakeai-")
        self._manifest = Path(self._folder.name, "manifest")
        if not store:
            return
        root = location(store)
        self.version = model_store.champion(root, model)
        if self.version:
            self.recipe = model_store.read_card(root, model, self.version).get("recipe")
            with suppress(FileNotFoundError):  # a version that was released by hand
                self._manifest.write_bytes(
                    read_bytes(root / model / str(self.version) / model_store.MANIFEST)
                )
        if self._manifest.exists():
            self.contents = frozenset(
                bytes.fromhex(row.md5) for row in read_manifest(self._manifest) if row.md5
            )
            self.fingerprint = fingerprint(self.contents)

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Drop the copy."""
        self._folder.cleanup()

    def archives(self) -> "KnownArchives":
        """Return what is known of the archives in buckets that it was trained on."""
        return KnownArchives(read_manifest(self._manifest) if self.contents else iter(()))


class KnownArchives:
    """The members of archives, asked for in the order of the corpus."""

    def __init__(self, rows: Iterator[ManifestRow]) -> None:
        """Take the rows of a manifest; they are read as far as they are asked for."""
        packed = (row for row in rows if row.archive and row.generation)
        self._archives = groupby(packed, key=lambda row: row.archive)
        self._next = next(self._archives, None)

    def members(self, archive: str, generation: int) -> list[ManifestRow]:
        """Return the members of an archive that has not changed; none where it is new or did."""
        while self._next and self._next[0] < archive:
            self._next = next(self._archives, None)
        if not generation or not self._next or self._next[0] != archive:
            return []
        rows = list(self._next[1])
        self._next = next(self._archives, None)
        if rows[0].generation != generation:
            return []
        return [row._replace(pack="", shard=0) for row in rows]
