"""One model's folder in a store, as those who change it need it: on a disk or in a bucket.

A release claims a place of its own, stages its files there and commits them; if anything fails, it aborts. Its claim
shows that it lives: on a disk by a lock (`kakeai.store.locks`), in a bucket by being refreshed
(`kakeai.store.leases`). Claims of dead releases are cleared away, those of living ones are left alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kakeai.errors import KakeaiError

if TYPE_CHECKING:
    from cloudpathlib import GSPath

# A version's files by their paths in it, and where their content is
Sources = Mapping[str, "Path | GSPath"]


class OvertakenError(KakeaiError):
    """Another release ended first, so that this one was not made; nothing of it is left."""


class Shelf(Protocol):
    """One model's folder."""

    def versions(self) -> list[int]:
        """Return the numbers of the versions that are whole, oldest first."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's content, None if it is not there; `name` is its path in the model's folder."""
        ...

    def files(self, version: int) -> Sources:
        """Return a version's files."""
        ...

    def add(self, files: Sources, card: dict[str, Any]) -> int:
        """Make the next version, whole or not at all, with `version` added to its card; return its number.

        Then what dead releases left is cleared away.

        Raises:
            OvertakenError: Since the card's `parent` was the newest, another version came.
            KakeaiError: The staged files, or those to release, were removed meanwhile.
        """
        ...

    def remove(self, version: int, card: bytes) -> None:
        """Take a version away for good; `card` is kept, and loaders see it whole or not at all."""
        ...

    def tidy(self) -> None:
        """Clear away what dead releases and prunings left; a living release is not touched."""
        ...


def overtaken(folder: "Path | GSPath") -> OvertakenError:
    """Return the sentence for a release that another one got ahead of."""
    return OvertakenError(
        f"another release into {folder} ended while this one was under way, so this model was not released; "
        "evaluate it against the newest version and release it again"
    )


def removed(folder: "Path | GSPath", why: str) -> KakeaiError:
    """Return the sentence for a release whose staged files are gone."""
    return KakeaiError(
        f"the files of this release were removed from {folder} before it ended, so this model was not released; "
        f"release it again ({why})"
    )


def gone(source: "Path | GSPath") -> KakeaiError:
    """Return the sentence for a file that was removed before it was released."""
    return KakeaiError(f"nothing was released: {source} was removed, or its version was pruned, meanwhile")
