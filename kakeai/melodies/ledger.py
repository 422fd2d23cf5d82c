"""The ledger of convert: what became of every file and every track, `ledger.jsonl` in the dataset's folder.

A file's row, then a row for each of its tracks, in the order of the corpus:

    {"file": "a.mid", "verdict": "used", "reason": "", "side": "training", "pieces": 1, "melodies": 2}
    {"file": "a.mid", "piece": 0, "track": 3, "melodies": [128, 96], "dropped": {"too_short": 1}}

`verdict` is `used`, `unused` (no melody came out), `rejected` (it could not be read) or `duplicate`; `reason` says
why, in one of the names of `REASONS` for `unused`, else in ingest's words. `side` is `training`, `eval` or null.
`piece` counts the NoteSequences of a file, `track` is the instrument's number in one, `melodies` are the steps of
each that came out, and `dropped` counts the stretches that gave none by reason.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from kakeai.melodies.extracted import IN_TRAINING, ExtractedFile
from kakeai.music import extraction
from kakeai.reading.ledger import DUPLICATE, REJECTED, FileRow

USED, UNUSED = "used", "unused"


class Reason(NamedTuple):
    """Why music was kept out, in words, and what to do about it."""

    words: str
    advice: str


REASONS = {
    REJECTED: Reason("the file cannot be read", "kakeai ingest lists why, file by file"),
    DUPLICATE: Reason("another file has the same content", "nothing is lost"),
    extraction.POLYPHONY: Reason(
        "notes begin together", "--polyphony top takes the highest of them instead of leaving the track"
    ),
    extraction.TOO_SHORT: Reason("shorter than --min-bars", "a smaller --min-bars takes shorter melodies"),
    extraction.TOO_FEW_PITCHES: Reason(
        "fewer pitches than --min-unique-pitches", "a smaller --min-unique-pitches takes plainer melodies"
    ),
    extraction.METRE: Reason(
        "a bar is no whole number of sixteenths", "no flag helps; give the tune another time signature"
    ),
    extraction.DRUMS: Reason("drums", "nothing is lost; drums play no melody"),
    extraction.NO_NOTES: Reason("no note is heard", "nothing is lost"),
    IN_TRAINING: Reason(
        "held out, and also in a file to train on", "nothing is lost; it would make the model look better than it is"
    ),
}  # fmt: skip


@dataclass
class Loss:
    """How much music a reason kept out.

    Attributes:
        files: Files that lost music to it.
        tracks: Tracks of these; 0 where whole files were kept out.
        stretches: Stretches of these tracks.
        example: The first of the files, with what ingest says of one that was kept out whole.
    """

    files: int = 0
    tracks: int = 0
    stretches: int = 0
    example: str = ""

    @property
    def times(self) -> int:
        """Stretches, or files where whole ones were kept out."""
        return self.stretches or self.files


class Losses(dict[str, Loss]):
    """What was kept out so far, by reason."""

    def rows(self, file: ExtractedFile, side: str) -> Iterator[dict[str, Any]]:
        """Count a file in, and yield its rows in the ledger.

        Args:
            file: Less the melodies that were dropped.
            side: On which its melodies are.
        """
        tracks: dict[tuple[int, int], tuple[list[int], Counter[str]]] = {}
        for number, piece in enumerate(file.pieces):
            for stretch in piece:
                melodies, dropped = tracks.setdefault((number, stretch.track), ([], Counter()))
                if stretch.melody is None:
                    dropped[stretch.dropped] += 1
                else:
                    melodies.append(len(stretch.melody))
        dropped_in_all: Counter[str] = Counter()
        for _, dropped in tracks.values():
            dropped_in_all += dropped
        num_melodies = sum(len(melodies) for melodies, _ in tracks.values())

        verdict, reason = file.row.verdict, file.row.reason
        if file.row.sequences:
            verdict = USED if num_melodies else UNUSED
            if not tracks:
                reason = extraction.NO_NOTES
            elif not num_melodies:
                reason = dropped_in_all.most_common(1)[0][0]
        for why in dropped_in_all if tracks else [reason if file.row.sequences else verdict]:
            loss = self.setdefault(why, Loss())
            loss.files += 1
            loss.example = loss.example or _example(file.row)
            loss.tracks += sum(why in dropped for _, dropped in tracks.values())
            loss.stretches += dropped_in_all[why]

        yield {
            "file": file.row.file,
            "verdict": verdict,
            "reason": reason,
            "side": side if num_melodies else None,
            "pieces": len(file.pieces),
            "melodies": num_melodies,
        }
        for (piece, track), (melodies, dropped) in tracks.items():
            yield {
                "file": file.row.file, "piece": piece, "track": track,
                "melodies": melodies, "dropped": dict(dropped),
            }  # fmt: skip

    def most_first(self) -> dict[str, Loss]:
        """Return the reasons, those that kept the most out first."""
        return dict(sorted(self.items(), key=lambda item: (-item[1].times, item[0])))


def reason_in_words(name: str) -> str:
    """Return why music was kept out, in words; a name that is none of `REASONS` as it is, without underscores."""
    return REASONS[name].words if name in REASONS else name.replace("_", " ")


def _example(file: FileRow) -> str:
    return f"{file.file}: {file.reason}" if file.verdict in (DUPLICATE, REJECTED) else file.file
