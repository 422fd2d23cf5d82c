"""The rows of a corpus while it is surveyed: kept in a file, since a corpus may have hundreds of thousands."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from kakeai.corpus.shards import divide, seconds_to_fetch, seconds_to_read
from kakeai.manifest import ManifestRow, row_in


class Inventory:
    """The rows of a corpus. Memory holds of each only what tells contents apart and divides them into shards.

    Attributes:
        num_bytes: The size of the files that can be read, each content once.
    """

    def __init__(self, spool: Path, rows: Iterable[ManifestRow]) -> None:
        """Write rows to the file `spool`, numbered as they come, and find those with the content of an earlier one."""
        self._spool = spool
        self._seconds = array("d")  # that each row takes to read
        self._groups: list[str] = []  # the archive or pack of each row; empty for none
        self._first = array("l")  # the number of the first row with the same content, perhaps its own
        self._first_with: dict[bytes, tuple[int, str]] = {}  # by MD5: that row's number, and its file
        self.num_bytes = 0
        with spool.open("w") as lines:
            for number, row in enumerate(rows):
                first, file = number, row.file
                if row.md5:
                    first, file = self._first_with.setdefault(bytes.fromhex(row.md5), (number, row.file))
                    self.num_bytes += row.bytes if first == number else 0
                row = row._replace(position=number, same_as="" if first == number else file)
                self._first.append(first)
                self._seconds.append(0.0 if row.same_as else seconds_to_read(row.bytes))
                self._groups.append(row.archive)
                lines.write(row.as_line())

    @property
    def num_rows(self) -> int:
        """Rows in all."""
        return len(self._first)

    @property
    def contents(self) -> frozenset[bytes]:
        """The MD5 of each file that can be read."""
        return frozenset(self._first_with)

    @property
    def num_duplicates(self) -> int:
        """Rows with the content of an earlier one."""
        return sum(first != number for number, first in enumerate(self._first))

    @property
    def seconds(self) -> float:
        """How long one pod takes to read it all."""
        return sum(self._seconds)

    def look_up(self, pack_of: Callable[[ManifestRow], str]) -> None:
        """Write into each row the pack that has its content; `pack_of` gives an empty text where none has."""
        looked_up = self._spool.with_name("looked-up")
        with looked_up.open("w") as lines:
            for row in self._rows():
                pack = "" if row.same_as else pack_of(row)
                if pack:
                    row = row._replace(pack=pack)
                    self._seconds[row.position] = seconds_to_fetch(row.bytes)
                    self._groups[row.position] = pack
                lines.write(row.as_line())
        self._spool = looked_up

    def shards(self, num_shards: int) -> list[int]:
        """Return each row's shard; a duplicate goes with the file that it repeats."""
        shards = divide(self._seconds, self._groups, num_shards)
        return [shards[first] for first in self._first]

    def lines(self, shards: Sequence[int]) -> Iterator[str]:
        """Yield the rows as lines of the manifest, each with its shard."""
        with self._spool.open() as lines:
            for line, shard in zip(lines, shards, strict=True):
                yield (
                    row_in(line)._replace(shard=shard).as_line() if shard else line
                )  # 0 is left out of a line

    def _rows(self) -> Iterator[ManifestRow]:
        with self._spool.open() as lines:
            yield from map(row_in, lines)
