"""A corpus → the rows of its manifest: each file with its size and the MD5 of its content."""

import hashlib
from collections.abc import Callable, Iterator

from kakeai.corpus.archives import MAX_ARCHIVE_BYTES, UnreadableError, is_archive
from kakeai.corpus.champion import KnownArchives
from kakeai.corpus.files import Corpus, CorpusFile
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.manifest import ManifestRow


def list_rows(
    corpus: Corpus, known: KnownArchives, on_progress: Callable[[int, int], None]
) -> Iterator[ManifestRow]:
    """Yield a row for each file of a corpus, in its order. A bucket's files are not read, only its new archives.

    Args:
        corpus: What to list.
        known: Archives that were listed before; their members are taken over if they have not changed.
        on_progress: Called with files and archives done, and their number.

    Raises:
        KakeaiError: There is no such corpus, or the bucket does not answer.
    """
    files = corpus.files()
    for done, file in enumerate(files):
        on_progress(done, len(files))
        if is_archive(file.path) and file.size <= MAX_ARCHIVE_BYTES:  # a larger one is not even fetched
            yield from _known(corpus, known.members(file.path, file.generation)) or _members(corpus, file)
        else:
            yield _row(corpus, file)
    on_progress(len(files), len(files))


def _row(corpus: Corpus, file: CorpusFile) -> ManifestRow:
    size, md5 = file.size, file.md5
    if corpus.too_large(file.path, size):
        md5 = ""
    elif not md5:
        size, md5 = _measured(lambda: corpus.read(file.path, file.generation))
    return ManifestRow(file.path, size, md5, generation=file.generation)


def _known(corpus: Corpus, rows: list[ManifestRow]) -> list[ManifestRow]:
    """Return rows of an archive that were listed before; none where a file was too large then, and no longer is."""
    larger = [row for row in rows if row.bytes > MAX_MIDI_BYTES]
    if any(not row.md5 and not corpus.too_large(row.file, row.bytes) for row in larger):
        return []
    return [row._replace(md5="") if corpus.too_large(row.file, row.bytes) else row for row in rows]


def _members(corpus: Corpus, file: CorpusFile) -> Iterator[ManifestRow]:
    for number, member in enumerate(corpus.members(file.path, file.generation)):
        size, md5 = _measured(member.read)
        yield ManifestRow(
            member.path, size, md5, generation=file.generation, archive=file.path, member=number
        )


def _measured(read: Callable[[], bytes]) -> tuple[int, str]:
    """Return size and MD5 of what is read; no MD5 if it cannot be."""
    try:
        content = read()
    except UnreadableError as error:
        return error.size, ""
    return len(content), hashlib.md5(content, usedforsecurity=False).hexdigest()
