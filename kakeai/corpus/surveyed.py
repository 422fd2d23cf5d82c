"""What survey wrote: the manifest of a corpus (see `kakeai.manifest`), and beside it survey.json, what it came to."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.errors import KakeaiError

SURVEY = "survey.json"


@dataclass(frozen=True)
class SurveyResult:
    """What a corpus has.

    Attributes:
        corpus: Its address.
        fingerprint: A hash over its contents, whatever their names and order.
        num_files: Files, each content once; those that cannot be read are not among them.
        num_bytes: The size of these files together.
        num_duplicates: Files with the content of an earlier one.
        num_new: Contents that the champion was not trained on.
        num_gone: Contents that the champion was trained on and that are no longer here.
        num_shards: Parts to read it in, chosen so that they finish together.
        shard_files: Files in each shard, with duplicates and files that cannot be read.
        champion: The newest version of the model in the store, 0 for none.
        changed: Whether a training would be of another corpus, or by another recipe, than the champion's.
        sentence: All this in words.
        max_midi_bytes: The most that is read of a MIDI file; the manifest has no MD5 of a larger one.
        follow_links: Whether links are followed that lead out of the corpus's folder.
    """

    corpus: str
    fingerprint: str
    num_files: int
    num_bytes: int
    num_duplicates: int
    num_new: int
    num_gone: int
    num_shards: int
    shard_files: list[int]
    champion: int
    changed: bool
    sentence: str
    max_midi_bytes: int = MAX_MIDI_BYTES
    follow_links: bool = False


def write_survey(folder: Path, result: SurveyResult) -> None:
    """Write the result beside the manifest."""
    (folder / SURVEY).write_text(json.dumps(asdict(result), indent=1) + "\n")


def read_survey(folder: Path) -> SurveyResult:
    """Return the result in a folder that survey wrote.

    Raises:
        KakeaiError: It did not.
    """
    try:
        return SurveyResult(**json.loads((folder / SURVEY).read_text()))
    except (OSError, ValueError, TypeError):
        raise KakeaiError(f"{folder} holds no manifest; make it with kakeai survey") from None
