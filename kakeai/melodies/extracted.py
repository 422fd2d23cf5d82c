"""What the tracks of a corpus hold, file by file, kept in a file of its own until the sides are known."""

import pickle
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.music.extraction import Extraction, Stretch
from kakeai.processors import usable_processors
from kakeai.reading.ingested import Ingested, IngestedFile
from kakeai.reading.ledger import FileRow

PARALLEL_FROM_BYTES = 100 * 2**20  # of NoteSequences; below it, starting processes costs more than it saves
BATCH_BYTES = 2**20  # of NoteSequences that are worked on at once
IN_TRAINING = "in_training"  # why a stretch gave no melody: it is held out, and the model also trains on it


class ExtractedFile(NamedTuple):
    """A file, and what its tracks hold.

    Attributes:
        row: What ingest says of it.
        pieces: The stretches of each of its NoteSequences.
    """

    row: FileRow
    pieces: list[list[Stretch]]

    @property
    def melodies(self) -> Iterator[np.ndarray]:
        """Its melodies, int8 [steps] each."""
        return (stretch.melody for piece in self.pieces for stretch in piece if stretch.melody is not None)

    def without(self, learned: Container[bytes]) -> "ExtractedFile":
        """Drop the melodies whose fingerprints are in `learned`."""

        def kept(stretch: Stretch) -> Stretch:
            repeats = stretch.melody is not None and fingerprint(stretch.melody) in learned
            return Stretch(stretch.track, None, IN_TRAINING) if repeats else stretch

        return ExtractedFile(self.row, [[kept(stretch) for stretch in piece] for piece in self.pieces])


def fingerprint(melody: np.ndarray) -> bytes:
    """Return eight bytes that tell a melody from others."""
    return blake2b(melody.tobytes(), digest_size=8).digest()


def extract_files(
    ingested: Ingested, rules: Extraction, on_progress: Callable[[int, int], None]
) -> Iterator[ExtractedFile]:
    """Yield every file of a corpus, in its order, with what its tracks hold; large corpora take all cores.

    Raises:
        KakeaiError: The NoteSequences are damaged.
    """
    from kakeai.model.data.melodies import extract_all

    processes = usable_processors() if ingested.num_bytes >= PARALLEL_FROM_BYTES else 1
    at_work: deque[list[IngestedFile]] = deque()

    def records() -> Iterator[list[bytes]]:
        for batch in _batches(ingested.files()):
            at_work.append(batch)
            yield [record for file in batch for record in file.records]

    done = 0
    try:
        for extracted in extract_all(records(), rules, processes):
            pieces = iter(extracted)
            for file in at_work.popleft():
                mine = list(islice(pieces, len(file.records)))
                if any(piece.filename != file.row.file for piece in mine):
                    raise ValueError("the ledger tells of other files")
                yield ExtractedFile(file.row, [piece.stretches for piece in mine])
            done += len(extracted)
            on_progress(done, ingested.num_sequences)
    except ValueError as error:
        raise KakeaiError(f"the NoteSequences are damaged ({error}); run kakeai ingest again") from None


def _batches(files: Iterable[IngestedFile]) -> Iterator[list[IngestedFile]]:
    batch, size = [], 0
    for file in files:
        batch.append(file)
        size += sum(map(len, file.records))
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def write_extracted(path: Path, files: Iterable[ExtractedFile]) -> None:
    """Write files as they come."""
    with path.open("wb") as spool:
        for file in files:
            pickle.dump(file, spool, pickle.HIGHEST_PROTOCOL)


def read_extracted(path: Path) -> Iterator[ExtractedFile]:
    """Yield the files that this process wrote."""
    with path.open("rb") as spool:
        while True:
            try:
                yield pickle.load(spool)
            except EOFError:
                return
