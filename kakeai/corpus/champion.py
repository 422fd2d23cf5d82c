"""The champion, which is the model in service, and the corpus that it was trained on."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kakeai import store as model_store
from kakeai.disk import temporary_disk_errors
from kakeai.manifest import ManifestRow, fingerprint, read_manifest
from kakeai.storage import location, read_bytes


@dataclass(frozen=True)
class Champion:
    """The newest version of a model in a store.

    Attributes:
        version: Its number; 0 where the store has none.
        recipe: How it was made; None where its card does not tell.
        contents: MD5 of each file of its corpus; empty where it has no manifest.
        manifest: A copy of its corpus's manifest; None where it has none.
    """

    version: int = 0
    recipe: Any = None
    contents: frozenset[bytes] = frozenset()
    manifest: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Of its corpus (`kakeai.manifest.fingerprint`); empty where it has no manifest."""
        return fingerprint(self.contents) if self.manifest else ""

    def archives(self) -> "KnownArchives":
        """Return what is known of the archives in buckets that it was trained on."""
        return KnownArchives(read_manifest(self.manifest) if self.manifest else iter(()))


@contextmanager
def champion_in(store: str, model: str) -> Iterator[Champion]:
    """Look a model's champion up; the copy of its manifest lasts as long as the `with` block.

    Args:
        store: The model store; an empty one has no champion.
        model: The model's name in it.

    Raises:
        KakeaiError: The store cannot be read.
    """
    version = model_store.champion(location(store), model) if store else 0
    if not version:
        yield Champion()
        return
    root = location(store)
    recipe = model_store.read_card(root, model, version).get("recipe")
    with TemporaryDirectory(prefix="kakeai-") as folder:
        manifest = Path(folder, "manifest")
        with suppress(FileNotFoundError), temporary_disk_errors():  # a version that was released by hand
            manifest.write_bytes(read_bytes(root / model / str(version) / model_store.MANIFEST))
        if manifest.exists():
            contents = frozenset(bytes.fromhex(row.md5) for row in read_manifest(manifest) if row.md5)
            yield Champion(version, recipe, contents, manifest)
        else:
            yield Champion(version, recipe)


class KnownArchives:
    """The members of archives that were listed before, asked for in the order of the corpus."""

    def __init__(self, rows: Iterator[ManifestRow]) -> None:
        """Take the rows of a manifest; they are read only as far as they are asked for."""
        packed = (row for row in rows if row.archive and row.generation)
        self._archives = groupby(packed, key=lambda row: row.archive)
        self._next = next(self._archives, None)

    def members(self, archive: str, generation: int) -> list[ManifestRow]:
        """Return the members of an archive that has not changed; none where it is new or has changed."""
        while self._next and self._next[0] < archive:
            self._next = next(self._archives, None)
        if not generation or not self._next or self._next[0] != archive:
            return []
        rows = list(self._next[1])
        self._next = next(self._archives, None)
        if rows[0].generation != generation:
            return []
        return [row._replace(pack="", shard=0) for row in rows]
