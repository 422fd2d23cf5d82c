"""The contents of a shard's files, fetched side by side and handed on in the order of the corpus."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import NamedTuple

from kakeai.corpus.archives import UnreadableError
from kakeai.corpus.files import Corpus
from kakeai.errors import KakeaiError
from kakeai.manifest import ManifestRow
from kakeai.reading.formats import FileReading
from kakeai.storage import CONNECTIONS

AHEAD_FILES = 4 * CONNECTIONS  # fetched or being fetched before the first of them is asked for
AHEAD_BYTES = 64 * 2**20  # of these files, by the manifest


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        row: Which file.
        content: Its bytes; None where it cannot be had or was not read.
        sha256: Of these, in hex; empty for None.
        complaint: Why it cannot be had; empty if it can, or need not be.
        reading: What came out of it in an earlier run; None if it is to be read.
    """

    row: ManifestRow
    content: bytes | None = None
    sha256: str = ""
    complaint: str = ""
    reading: FileReading | None = None


def contents(corpus: Corpus, rows: Iterable[ManifestRow]) -> Iterator[Content]:
    """Yield what the files of a manifest hold, once it is what the manifest says; memory holds a few of them.

    Raises:
        KakeaiError: A file is not the one that the manifest tells of, or the bucket fails.
    """
    threads = ThreadPoolExecutor(CONNECTIONS)
    try:
        for archive, group in groupby(rows, key=lambda row: row.archive):
            if archive:
                yield from _members(corpus, archive, group)
            elif corpus.is_local:  # where threads would only pass files on
                yield from (_fetch(corpus, row) for row in group)
            else:
                yield from _files(corpus, group, threads)
    finally:
        threads.shutdown(cancel_futures=True)


def _files(corpus: Corpus, rows: Iterable[ManifestRow], threads: ThreadPoolExecutor) -> Iterator[Content]:
    ahead: deque[Future[Content]] = deque()
    sizes: deque[int] = deque()
    for row in rows:
        ahead.append(threads.submit(_fetch, corpus, row))
        sizes.append(row.bytes)
        while len(ahead) > AHEAD_FILES or (len(ahead) > 1 and sum(sizes) > AHEAD_BYTES):
            sizes.popleft()
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _fetch(corpus: Corpus, row: ManifestRow) -> Content:
    if row.same_as:
        return Content(row)
    if reason := corpus.too_large(row.file, row.bytes):
        return Content(row, complaint=reason)
    try:
        return _verified(corpus, row, corpus.read(row.file, row.generation))
    except UnreadableError as error:
        return _complained(corpus, row, error)


def _members(corpus: Corpus, archive: str, rows: Iterator[ManifestRow]) -> Iterator[Content]:
    row = next(rows)
    for number, member in enumerate(corpus.members(archive, row.generation)):
        if number < row.member:
            continue
        if member.path != row.file:
            break
        if row.same_as:
            yield Content(row)
        else:
            try:
                content = _verified(corpus, row, member.read())
            except UnreadableError as error:
                content = _complained(corpus, row, error)
            yield content
        row = next(rows, None)
        if row is None:
            return
    raise _changed(corpus, row)


def _verified(corpus: Corpus, row: ManifestRow, content: bytes) -> Content:
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != row.md5:
        raise _changed(corpus, row)
    return Content(row, content, hashlib.sha256(content).hexdigest())


def _complained(corpus: Corpus, row: ManifestRow, error: UnreadableError) -> Content:
    if row.md5:  # it could be read when the manifest was made
        raise _changed(corpus, row)
    return Content(row, complaint=str(error))


def _changed(corpus: Corpus, row: ManifestRow) -> KakeaiError:
    return KakeaiError(f"{corpus}: {row.file} was changed or deleted while the corpus was read; run it again")
