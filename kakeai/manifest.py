"""The manifest of a corpus: which files it has, of which content, and who reads them.

`manifest.jsonl.gz` has a row for each file, in the order of the corpus; fields at their defaults are left out:

    {"file": "a/b.mid", "bytes": 5120, "md5": "5d41…", "generation": 1700000000000001, "shard": 2}

Contents are told apart by MD5, since that is what a bucket tells of an object without its being read. Whoever
plants two files of one MD5 in a corpus of theirs has one of them left out.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kakeai.errors import KakeaiError
from kakeai.storage import bucket_errors

if TYPE_CHECKING:
    from cloudpathlib import GSPath

MANIFEST = "manifest.jsonl.gz"


class ManifestRow(NamedTuple):
    """A file of a corpus.

    Attributes:
        file: Its path in the corpus; a member's follows its archive's.
        bytes: Its size, as far as it is known.
        md5: Of its content, in hex; empty where that could not be had.
        position: Its place in the corpus, from 0.
        generation: Of the object, or of the archive's; 0 for a local file.
        archive: The path of the archive that it lies in; empty for none.
        member: Its number among the music in that archive.
        same_as: The path of an earlier file with the same content; empty for none.
        pack: Where its NoteSequences lie from an earlier run (see `kakeai.reading.packs`); empty for nowhere.
        shard: Which shard reads it.
    """

    file: str
    bytes: int
    md5: str
    position: int = 0
    generation: int = 0
    archive: str = ""
    member: int = 0
    same_as: str = ""
    pack: str = ""
    shard: int = 0

    def as_line(self) -> str:
        """Return the row as a line of the manifest; a path that is no UTF-8 stays what it is."""
        row = {
            name: value for name, value in zip(self._fields, self, strict=True) if value or name in _ALWAYS
        }
        return _encoded(row) + "\n"


_ALWAYS = {"file", "bytes", "md5"}
_encoded = json.JSONEncoder(separators=(",", ":")).encode
_decoded = json.JSONDecoder().decode
_GZIP_LEVEL = 1  # checksums do not compress, whatever the level


def write_manifest(path: Path, lines: Iterable[str]) -> None:
    """Write rows, each as its line, as they come; the same rows give the same bytes."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="ascii") as text,
    ):
        text.writelines(lines)


def read_manifest(path: "Path | GSPath") -> Iterator[ManifestRow]:
    """Yield the rows of a manifest.

    Raises:
        KakeaiError: There is none, or it is damaged.
    """
    try:
        with bucket_errors(path), path.open("rb") as file, gzip.open(file, "rt", encoding="ascii") as lines:  # type: ignore[arg-type]
            for line in lines:
                yield row_in(line)
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise KakeaiError(f"the manifest {path} cannot be read: {error}") from None


def row_in(line: str) -> ManifestRow:
    """Return the row that `ManifestRow.as_line` wrote.

    Raises:
        ValueError: The line is damaged.
        TypeError: It has other fields.
    """
    return ManifestRow(**_decoded(line))


def fingerprint(contents: Iterable[bytes]) -> str:
    """Return what tells a corpus from others: a hash over the MD5 of its contents, whatever their order."""
    return hashlib.sha256(b"".join(sorted(contents))).hexdigest()
