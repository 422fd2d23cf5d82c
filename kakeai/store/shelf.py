"""One model's folder in a store, as those who change it need it: on a disk or in a bucket."""

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

        What killed releases left is cleared away. A release that goes on at the same time ends with an OvertakenError.

        Raises:
            OvertakenError: Since the card's `parent` was the newest, another version came.
        """
        ...

    def remove(self, version: int, card: bytes) -> None:
        """Take a version away for good; `card` is kept, and loaders see it whole or not at all."""
        ...

    def tidy(self) -> None:
        """Clear away what killed releases and prunings left."""
        ...


def overtaken(folder: "Path | GSPath") -> OvertakenError:
    """Return the sentence for a release that another one got ahead of."""
    return OvertakenError(
        f"another release into {folder} ended while this one was under way, so this model was not released; "
        "evaluate it against the newest version and release it again"
    )
