"""Which files are held out: those that the hash of their content chooses, in this run and in every later one."""

from kakeai.melodies.extracted import ExtractedFile
from kakeai.reading.ledger import FileRow

RULE = "a file is held out if the first 32 bits of its SHA-256, over 2^32, are below eval_ratio"
_ABOVE_ALL_DIGESTS = "g"


class Split:
    """The two sides, known once every file was added.

    Where the rule leaves one of them empty, the file with the smallest hash alone is held out.

    Attributes:
        num_files: Files with melodies.
    """

    def __init__(self, eval_ratio: float) -> None:
        """Hold out this share of the files."""
        self._eval_ratio = eval_ratio
        self.num_files = 0
        self._num_chosen = 0
        self._smallest = _ABOVE_ALL_DIGESTS

    def add(self, file: ExtractedFile) -> None:
        """Take a file into account."""
        digest = file.row.sha256
        if digest and next(file.melodies, None) is not None:
            self.num_files += 1
            self._num_chosen += self._chooses(digest)
            self._smallest = min(self._smallest, digest)

    def holds_out(self, file: FileRow) -> bool:
        """Return whether a file is held out."""
        digest = file.sha256
        if not digest or not self._eval_ratio or self.num_files < 2:
            return False
        both_sides_have_some = 0 < self._num_chosen < self.num_files
        return self._chooses(digest) if both_sides_have_some else digest == self._smallest

    def _chooses(self, digest: str) -> bool:
        return int(digest[:8], 16) < self._eval_ratio * 2**32
