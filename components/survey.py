"""Survey: which files a corpus has, what is new or gone since the model in service was trained, and who reads what."""

import hashlib
import json
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from kfp.dsl import Metrics, Output

from components.archives import MAX_ARCHIVE_BYTES, MAX_FILE_BYTES, MUSIC_SUFFIXES, UnreadableError, is_archive
from components.champion import Champion, KnownArchives
from components.corpus_files import Corpus, CorpusFile
from components.kubeflow import component
from components.packs import Packs, content_key
from components.shards import choose_num_shards, divide, seconds_to_fetch, seconds_to_read
from kakeai.errors import KakeaiError
from kakeai.manifest import MANIFEST, ManifestRow, fingerprint, write_manifest
from kakeai.storage import replace_folder

SURVEY = "survey.json"
MOST_GONE = 0.5  # of the champion's corpus; more is taken for an accident, such as a bucket half copied


@dataclass(frozen=True)
class SurveyResult:
    """What a corpus has.

    Attributes:
        corpus: Its address.
        fingerprint: A hash over its contents, whatever their names and order.
        num_files: Files, each content once; those that cannot be read are not among them.
        num_bytes: Of these.
        num_duplicates: Files with the content of an earlier one.
        num_new: Contents that the champion was not trained on.
        num_gone: Contents that it was trained on, and that are here no more.
        num_shards: Parts to read it in, so that they finish together.
        shard_files: Files in each of these, duplicates and what cannot be read among them.
        champion: The newest version of the model in the store, 0 for none.
        changed: Whether a training would be of another corpus, or by another recipe, than the champion's.
        sentence: All this for people.
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


def survey(
    corpus: str,
    output: Path,
    store: str = "",
    model: str = "kakeai",
    recipe: dict[str, Any] | None = None,
    allow_shrink: bool = False,
    num_shards: int | None = None,
    reuse: str = "",
    min_new: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> SurveyResult:
    """List a corpus once, compare it with the one that the model in service was trained on, and divide it.

    `output` gets `manifest.jsonl.gz`, a row for each file (see `kakeai.manifest`), and `survey.json`, the
    result. It appears whole or not at all. A bucket's files are not read, only its archives, and those only
    when they are new.

    Args:
        corpus: Folder with .mid, .midi, .xml, .musicxml, .mxl and .abc files at any depth, also inside zip
            and tar archives; or one such file; local, or a gs:// address.
        output: Folder to write; one that is there is replaced.
        store: The model store; empty for none, then every corpus is new.
        model: The model's name in it.
        recipe: All else that decides what is trained; compared with the champion's.
        allow_shrink: Take also a corpus that has lost more than half of what the champion was trained on.
        num_shards: Parts to divide it into; by default as many as pay.
        reuse: Where `ingest_shard` keeps what was read; files of which it has the results count as quickly read.
        min_new: With fewer new contents than that, a corpus counts as unchanged, unless the recipe has changed.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus, one without music, or one that has shrunk; a bucket that does not answer.
    """
    if num_shards is not None and num_shards < 1:
        raise KakeaiError(f"--num-shards must be at least 1, not {num_shards}")
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        Champion(store, model) as champion,
        tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
    ):
        place = Corpus(corpus)
        found = _Found(Path(aside, "rows"))
        found.note_down(_rows(place, champion.archives(), on_progress))
        if not found.num_rows:
            raise KakeaiError(f"{corpus} has no music: no {', '.join(MUSIC_SUFFIXES)} file and no archive")
        result = _compared(str(place), found, champion, recipe, min_new)
        if result.num_gone > MOST_GONE * len(champion.contents) and not allow_shrink:
            raise KakeaiError(
                f"{corpus} has lost {result.num_gone:,} of the {len(champion.contents):,} files that version "
                f"{champion.version} of {model} was trained on; if that is meant, --allow-shrink"
            )
        if result.changed:
            with Packs(reuse, place.name) as packs:
                found.look_up(packs.known(), place.name)
        num_shards = num_shards or choose_num_shards(found.seconds)
        shards = found.shards(num_shards)
        shard_files = [shards.count(shard) for shard in range(num_shards)]
        result = replace(result, num_shards=num_shards, shard_files=shard_files)
        folder = Path(aside, "survey")
        folder.mkdir()
        write_manifest(folder / MANIFEST, found.lines(shards))
        (folder / SURVEY).write_text(json.dumps(asdict(result), indent=1) + "\n")
        replace_folder(folder, output)
    return result


def read_survey(folder: Path) -> SurveyResult:
    """Return the result in a folder that survey wrote.

    Raises:
        KakeaiError: It did not.
    """
    try:
        return SurveyResult(**json.loads((folder / SURVEY).read_text()))
    except (OSError, ValueError, TypeError):
        raise KakeaiError(f"{folder} holds no manifest; make it with kakeai survey") from None


class _Found:
    """The rows of a corpus, kept in a file; of each only what divides them stays in memory."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._seconds = array("d")
        self._groups: list[str] = []
        self._first = array("l")  # the row with the same content, or this row itself
        self._path_of: dict[bytes, tuple[int, str]] = {}  # by MD5: the first row, and its file
        self.num_bytes = 0

    @property
    def num_rows(self) -> int:
        return len(self._first)

    @property
    def contents(self) -> frozenset[bytes]:
        return frozenset(self._path_of)

    @property
    def num_duplicates(self) -> int:
        return sum(first != row for row, first in enumerate(self._first))

    @property
    def seconds(self) -> float:
        return sum(self._seconds)

    def note_down(self, rows: Iterator[ManifestRow]) -> None:
        with self._spool.open("w") as spool:
            for number, row in enumerate(rows):
                first, path = number, row.file
                if row.md5:
                    first, path = self._path_of.setdefault(bytes.fromhex(row.md5), (number, row.file))
                    self.num_bytes += row.bytes if first == number else 0
                row = row._replace(position=number, same_as="" if first == number else path)
                self._first.append(first)
                self._seconds.append(0.0 if row.same_as else seconds_to_read(row.bytes))
                self._groups.append(row.archive)
                spool.write(row.as_line())

    def look_up(self, packs: dict[str, str], collection: str) -> None:
        """Take into account which contents lie in packs."""
        if not packs:
            return
        looked_up = self._spool.with_name("looked-up")
        with looked_up.open("w") as spool:
            for row in self._rows():
                pack = packs.get(content_key(row.file, collection, row.md5), "")
                if pack and not row.same_as:
                    row = row._replace(pack=pack)
                    self._seconds[row.position] = seconds_to_fetch(row.bytes)
                    self._groups[row.position] = pack
                spool.write(row.as_line())
        self._spool = looked_up

    def shards(self, num_shards: int) -> list[int]:
        """Return each row's shard; a duplicate goes with the file that it repeats."""
        shards = divide(self._seconds, self._groups, num_shards)
        return [shards[first] for first in self._first]

    def lines(self, shards: Sequence[int]) -> Iterator[str]:
        """Yield the rows as lines, each with its shard; those of shard 0 stand in the file as they are to be."""
        with self._spool.open() as spool:
            for line, shard in zip(spool, shards, strict=True):
                yield _row_in(line)._replace(shard=shard).as_line() if shard else line

    def _rows(self) -> Iterator[ManifestRow]:
        with self._spool.open() as spool:
            yield from map(_row_in, spool)


def _row_in(line: str) -> ManifestRow:
    return ManifestRow(**json.loads(line))


def _rows(
    corpus: Corpus, known: KnownArchives, on_progress: Callable[[int, int], None]
) -> Iterator[ManifestRow]:
    files = corpus.files()
    for done, file in enumerate(files):
        on_progress(done, len(files))
        if is_archive(file.path) and file.size <= MAX_ARCHIVE_BYTES:  # else it is not even brought here
            yield from known.members(file.path, file.generation) or _members(corpus, file)
        else:
            yield _row(corpus, file)
    on_progress(len(files), len(files))


def _row(corpus: Corpus, file: CorpusFile) -> ManifestRow:
    size, md5 = file.size, file.md5
    if size > MAX_FILE_BYTES:
        md5 = ""
    elif not md5:
        size, md5 = _measured(lambda: corpus.read(file.path, file.generation))
    return ManifestRow(file.path, size, md5, generation=file.generation)


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


def _compared(
    corpus: str, found: _Found, champion: Champion, recipe: dict[str, Any] | None, min_new: int
) -> SurveyResult:
    contents = found.contents
    own = fingerprint(contents)
    num_new, num_gone = len(contents - champion.contents), len(champion.contents - contents)
    too_few = bool(champion.version) and recipe == champion.recipe and num_new < min_new
    if not champion.version:
        sentence = "for a first model"
    elif own != champion.fingerprint:
        sentence = f"{num_new:,} of them new and {num_gone:,} gone since version {champion.version}"
        if too_few:
            sentence += f", fewer new ones than the {min_new:,} that are waited for"
    elif recipe != champion.recipe:
        sentence = f"those of version {champion.version}, which was made by another recipe"
    else:
        sentence = f"nothing new since version {champion.version} was trained"
    return SurveyResult(
        corpus=corpus,
        fingerprint=own,
        num_files=len(contents),
        num_bytes=found.num_bytes,
        num_duplicates=found.num_duplicates,
        num_new=num_new,
        num_gone=num_gone,
        num_shards=1,
        shard_files=[found.num_rows],
        champion=champion.version,
        changed=not (
            too_few or (champion.version and own == champion.fingerprint and recipe == champion.recipe)
        ),
        sentence=f"{len(contents):,} files, {sentence}",
    )


@component
def survey_component(
    corpus: str,
    store: str,
    model: str,
    work: str,
    config: str,
    hparams: str,
    num_training_steps: int,
    eval_ratio: float,
    extraction: dict,
    transpose: str,
    seed: int,
    warm_start: str,
    early_stopping: int,
    mixed_precision: str,
    num_shards: int,
    min_new: int,
    allow_shrink: bool,
    metrics: Output[Metrics],
) -> NamedTuple(  # type: ignore
    "Survey",
    [
        ("changed", bool),
        ("manifest", str),
        ("shards", list),
        ("champion", int),
        ("recipe", dict),
        ("start", str),
        ("start_fingerprint", str),
    ],
):
    """List the corpus and compare it, and what makes a model of it, with the champion's; `num_shards` 0 chooses.

    `manifest` is kept in `work`; `start` is the bundle to begin with, the champion's where `warm_start` says so.
    """
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from components.kubeflow import log_metrics
    from components.manifests import keep_manifest, reuse_folder
    from components.outcome import UNCHANGED, Outcome, write_outcome
    from components.stage import stage
    from components.survey import survey
    from kakeai.model.warm_start import start_of

    recipe = {
        "config": config,
        "hparams": hparams,
        "num_training_steps": num_training_steps,
        "eval_ratio": eval_ratio,
        "extraction": extraction,
        "transpose": transpose,
        "seed": seed,
        "warm_start": warm_start,
        "early_stopping": early_stopping,
        "mixed_precision": mixed_precision,
    }
    with stage("survey", work) as running, tempfile.TemporaryDirectory(prefix="kakeai-") as aside:
        folder = Path(aside, "survey")
        result = survey(
            corpus,
            folder,
            store,
            model,
            recipe,
            allow_shrink,
            num_shards or None,
            reuse_folder(work),
            min_new,
            running.progress,
        )
        start, start_fingerprint = start_of(warm_start, store, model, result.champion)
        log_metrics(metrics, asdict(result))
        running.figures.update(
            files=result.num_files, new=result.num_new, gone=result.num_gone, sentence=result.sentence
        )
        if not result.changed:
            write_outcome(work, Outcome(UNCHANGED, result.sentence, "survey", model, result.champion))
        kept = keep_manifest(folder, result.corpus, work)
    shards = list(range(result.num_shards))
    return (result.changed, kept, shards, result.champion, recipe, start, start_fingerprint)
