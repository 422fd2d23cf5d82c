"""Convert: NoteSequences → a dataset of melodies, some of the files held out."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components.ingest import INFO, REJECTED_LIST
from components.kubeflow import component
from components.ledger import read_ledger
from kakeai.errors import KakeaiError
from kakeai.music.melody import (
    DRUMS,
    METRE,
    NO_NOTES,
    POLYPHONY,
    TOO_FEW_PITCHES,
    TOO_SHORT,
    Extraction,
    extract_melodies,
)
from kakeai.storage import replace_folder

if TYPE_CHECKING:
    from note_seq.protobuf import music_pb2

SPLIT = "a file is held out if the first 32 bits of its SHA-256, over 2^32, are below eval_ratio"
DUPLICATE = "in_training"  # a held-out melody that the model also trains on


@dataclass(frozen=True)
class ConvertResult:
    """What became of the pieces.

    Attributes:
        num_files: Source files, each content once.
        num_note_sequences: Pieces in them.
        num_training_melodies: Melodies to learn from.
        num_eval_melodies: Melodies held out.
        dropped: How often each reason kept a melody out.
    """

    num_files: int
    num_note_sequences: int
    num_training_melodies: int
    num_eval_melodies: int
    dropped: dict[str, int]


class _Found(NamedTuple):
    melody: Any  # np.ndarray int8 [steps]
    source: str
    digest: str


def convert(
    note_sequences: Sequence[Path],
    output: Path,
    config: str,
    eval_ratio: float = 0.1,
    extraction: Extraction = Extraction(),  # noqa: B008  frozen
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConvertResult:
    """Extract the melodies of all pieces, and hold the files out that the hash of their content chooses.

    A file thus stays on its side in every later run. Where that leaves a side without melodies, the file with
    the smallest hash alone is held out. A melody that occurs on both sides is dropped from the held-out one.

    Args:
        note_sequences: Folders that `ingest` wrote, in any order.
        output: Folder to write (see `kakeai.model.dataset`); one that is there is replaced.
        config: Name of the configuration that will be trained.
        eval_ratio: Share of the files to hold out, from 0 to 1.
        extraction: What counts as a melody.
        on_progress: Called with pieces done and pieces in all.

    Raises:
        KakeaiError: A bad argument, a damaged folder, or no melody at all.
    """
    from kakeai.model.configs import config_named
    from kakeai.model.dataset import EVAL, TRAINING, DatasetInfo, write_dataset, write_dataset_info
    from kakeai.model.note_sequences import note_sequence_to_score

    config_named(config)
    _check(eval_ratio, extraction)
    infos = [_read_info(folder) for folder in note_sequences]
    files = sorted(file for folder in note_sequences for file in _read_files(folder))
    first_with = {digest: path for path, digest in reversed(files)}  # two shards may have the same content
    digests = {path: digest for digest, path in first_with.items()}
    total = sum(info["num_sequences"] for info in infos)

    found: list[_Found] = []
    dropped: Counter[str] = Counter()
    num_note_sequences = 0
    for done, piece in enumerate(_pieces(note_sequences)):
        on_progress(done, total)
        digest = digests.get(piece.filename)
        if digest is None:
            continue
        num_note_sequences += 1
        melodies, reasons = extract_melodies(note_sequence_to_score(piece), extraction)
        found += [_Found(melody, piece.filename, digest) for melody in melodies]
        dropped += reasons
    on_progress(total, total)
    if not num_note_sequences:
        raise KakeaiError(_why_unread(note_sequences))
    if not found:
        raise KakeaiError(_why_nothing(num_note_sequences, dropped, extraction))
    found.sort(key=lambda melody: melody.source)  # the same order for every number of shards

    held_out = _held_out({melody.digest for melody in found}, eval_ratio)
    training = [melody for melody in found if melody.digest not in held_out]
    learned = {melody.melody.tobytes() for melody in training}
    evaluation = [m for m in found if m.digest in held_out and m.melody.tobytes() not in learned]
    dropped[DUPLICATE] = len(found) - len(training) - len(evaluation)
    result = ConvertResult(
        len(digests), num_note_sequences, len(training), len(evaluation), dict(sorted((+dropped).items()))
    )

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside:
        folder = Path(aside, "dataset")
        folder.mkdir()
        for name, melodies in ((TRAINING, training), (EVAL, evaluation)):
            write_dataset(folder / name, ((m.melody, m.source) for m in melodies))
        info = DatasetInfo(
            config=config,
            eval_ratio=eval_ratio,
            split=SPLIT,
            fingerprint=_fingerprint(digests),
            num_rejected=sum(info["num_rejected"] for info in infos),
            extraction=asdict(extraction),
            **asdict(result),
        )
        write_dataset_info(folder, info)
        replace_folder(folder, output)
    return result


def _check(eval_ratio: float, extraction: Extraction) -> None:
    if not 0 <= eval_ratio < 1:
        raise KakeaiError(f"--eval-ratio must lie from 0 to below 1, not {eval_ratio}")
    for name, value in asdict(extraction).items():
        if not value >= (1 if name == "max_steps" else 0):
            raise KakeaiError(f"--{name.replace('_', '-')} cannot be {value}")


def _read_info(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / INFO).read_text())
    except (OSError, ValueError):
        raise KakeaiError(f"{folder} holds no NoteSequences; make them with kakeai ingest") from None


def _read_files(folder: Path) -> list[tuple[str, str]]:
    """Path and SHA-256 of each file that gave NoteSequences."""
    try:
        return [(row.file, row.sha256 or "") for row in read_ledger(folder) if row.sequences]
    except (OSError, ValueError):
        raise KakeaiError(f"the ledger in {folder} is damaged; run kakeai ingest again") from None


def _pieces(folders: Sequence[Path]) -> "Iterator[music_pb2.NoteSequence]":
    """Yield the pieces of all shards, in the order of the shards' names."""
    import tensorflow as tf
    from note_seq.protobuf import music_pb2

    shards = sorted(
        (path for folder in folders for path in folder.glob("*.tfrecord")), key=lambda path: path.name
    )
    for shard in shards:
        try:
            for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
                yield music_pb2.NoteSequence.FromString(cast(bytes, record))
        except Exception as error:  # TensorFlow and protobuf each raise kinds of their own
            raise KakeaiError(
                f"{shard} is damaged ({type(error).__name__}); run kakeai ingest again"
            ) from None


def _held_out(digests: set[str], eval_ratio: float) -> set[str]:
    """Choose files by their SHA-256: those below the ratio; the first alone if that leaves a side empty."""
    if eval_ratio == 0 or len(digests) < 2:
        return set()
    chosen = {digest for digest in digests if int(digest[:8], 16) < eval_ratio * 2**32}
    return chosen if 0 < len(chosen) < len(digests) else {min(digests)}


def _fingerprint(digests: dict[str, str]) -> str:
    lines = (f"{path}\0{digest}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _why_unread(note_sequences: Sequence[Path]) -> str:
    rows = [line for folder in note_sequences for line in (folder / REJECTED_LIST).read_text().splitlines()]
    (reason, _), *_ = [*Counter(json.loads(row)["reason"] for row in rows).most_common(1), ("it is empty", 0)]
    return (
        f"nothing in the corpus can be read, most often for this reason: {reason}; "
        f"{REJECTED_LIST} beside the NoteSequences lists all {len(rows):,} of them"
    )


def _why_nothing(num_pieces: int, dropped: Counter[str], rules: Extraction) -> str:
    reasons = {
        POLYPHONY: "tracks with notes that begin together",
        TOO_SHORT: f"melodies shorter than {rules.min_bars} bars (min_bars)",
        TOO_FEW_PITCHES: f"melodies with fewer than {rules.min_unique_pitches} pitches (min_unique_pitches)",
        METRE: "parts in a metre that does not fit sixteenths",
        DRUMS: "drum tracks",
        NO_NOTES: "tracks without notes",
    }
    counts = ", ".join(f"{dropped[reason]:,} {words}" for reason, words in reasons.items() if dropped[reason])
    return (
        f"no melody can be used of the {num_pieces:,} pieces in the corpus: {counts or 'they are empty'}; "
        "give tunes that one voice plays alone, or change these rules of the extraction"
    )


@component
def convert_component(  # noqa: ANN201  KFP reads the signature
    note_sequences: Input[list[Artifact]],
    config: str,
    eval_ratio: float,
    dataset: Output[Dataset],
    metrics: Output[Metrics],
):
    """Make the dataset of all shards."""
    from dataclasses import asdict
    from pathlib import Path

    from components.convert import convert
    from components.kubeflow import log_metrics
    from components.stage import stage

    with stage("convert") as running:
        shards = [Path(artifact.path) for artifact in note_sequences]
        result = convert(shards, Path(dataset.path), config, eval_ratio, on_progress=running.progress)
        log_metrics(metrics, asdict(result))
        running.figures.update(
            files=result.num_files,
            pieces=result.num_note_sequences,
            training_melodies=result.num_training_melodies,
            eval_melodies=result.num_eval_melodies,
            dropped=result.dropped,
        )
