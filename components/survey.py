"""Survey: a corpus → its manifest: what files it has, what is new or gone since the last release, who reads them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kfp.dsl import Metrics, Output

from components.corpus.archives import MUSIC_SUFFIXES
from components.corpus.champion import Champion, champion_in
from components.corpus.files import Corpus
from components.corpus.inventory import Inventory
from components.corpus.listing import list_rows
from components.corpus.shards import choose_num_shards
from components.corpus.sizes import MAX_MIDI_BYTES
from components.corpus.surveyed import SurveyResult, write_survey
from components.reading.packs import open_packs
from components.running.kubeflow import component
from kakeai.errors import KakeaiError
from kakeai.manifest import MANIFEST, fingerprint, write_manifest
from kakeai.storage import whole_folder

MOST_GONE = 0.5  # of the champion's corpus; more is taken for an accident, such as a bucket half copied


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
    max_midi_bytes: int = MAX_MIDI_BYTES,
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
        num_shards: Parts to divide it into; by default as many as are worth a pod each.
        reuse: Where `ingest_shard` keeps what it has read; a file that is there counts as quickly read.
        min_new: With fewer new contents than that, a corpus counts as unchanged, unless the recipe has changed.
        max_midi_bytes: The most that is read of a MIDI file; a larger one counts as one that cannot be read.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus, one without music, or one that has shrunk; a bucket that does not answer.
    """
    if num_shards is not None and num_shards < 1:
        raise KakeaiError(f"--num-shards must be at least 1, not {num_shards}")
    if max_midi_bytes < MAX_MIDI_BYTES:
        raise KakeaiError(f"--max-midi-bytes must be at least {MAX_MIDI_BYTES:,}, not {max_midi_bytes:,}")
    place = Corpus(corpus, max_midi_bytes)
    with champion_in(store, model) as champion, whole_folder(output) as folder:
        spool = folder.with_name("rows")
        inventory = Inventory(spool, list_rows(place, champion.archives(), on_progress))
        if not inventory.num_rows:
            raise KakeaiError(f"{corpus} has no music: no {', '.join(MUSIC_SUFFIXES)} file and no archive")
        result = _compared(str(place), inventory, champion, recipe, min_new)
        if result.num_gone > MOST_GONE * len(champion.contents) and not allow_shrink:
            raise KakeaiError(
                f"{corpus} has lost {result.num_gone:,} of the {len(champion.contents):,} files that version "
                f"{champion.version} of {model} was trained on; if that is meant, --allow-shrink"
            )
        if result.changed:
            with open_packs(reuse, place.name) as packs:
                if not packs.are_empty:
                    inventory.look_up(packs.name_of)
        num_shards = num_shards or choose_num_shards(inventory.seconds)
        shards = inventory.shards(num_shards)
        shard_files = [shards.count(shard) for shard in range(num_shards)]
        result = replace(
            result, num_shards=num_shards, shard_files=shard_files, max_midi_bytes=max_midi_bytes
        )
        write_manifest(folder / MANIFEST, inventory.lines(shards))
        write_survey(folder, result)
    return result


def _compared(
    corpus: str, inventory: Inventory, champion: Champion, recipe: dict[str, Any] | None, min_new: int
) -> SurveyResult:
    contents = inventory.contents
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
        num_bytes=inventory.num_bytes,
        num_duplicates=inventory.num_duplicates,
        num_new=num_new,
        num_gone=num_gone,
        num_shards=1,
        shard_files=[inventory.num_rows],
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
    max_midi_bytes: int,
    gpus: str,
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

    from components.corpus.manifests import keep_manifest, reuse_folder
    from components.running.gpus import gpu_count
    from components.running.kubeflow import log_metrics
    from components.running.outcome import UNCHANGED, Outcome, write_outcome
    from components.running.stage import stage
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
        gpu_count(gpus)  # a bad one would keep the training's pod from ever starting
        folder = Path(aside, "survey")
        result = survey(
            corpus,
            folder,
            store=store,
            model=model,
            recipe=recipe,
            allow_shrink=allow_shrink,
            num_shards=num_shards or None,
            reuse=reuse_folder(work),
            min_new=min_new,
            max_midi_bytes=max_midi_bytes,
            on_progress=running.progress,
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
