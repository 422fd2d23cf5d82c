"""Survey: a corpus → its manifest: what files it has, what is new or gone since the last release, who reads them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kakeai.corpus.archives import MUSIC_SUFFIXES
from kakeai.corpus.champion import Champion, champion_in
from kakeai.corpus.files import Corpus
from kakeai.corpus.inventory import Inventory
from kakeai.corpus.listing import list_rows
from kakeai.corpus.shards import choose_num_shards
from kakeai.corpus.sizes import MAX_MIDI_BYTES
from kakeai.corpus.surveyed import SURVEY, SurveyResult, write_survey
from kakeai.errors import KakeaiError
from kakeai.manifest import MANIFEST, fingerprint, write_manifest
from kakeai.outputs import StageFiles, check_output, replaced_folder
from kakeai.reading.packs import open_packs
from kakeai.storage import location

FILES = StageFiles("survey", SURVEY, (MANIFEST,))
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
    follow_links: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> SurveyResult:
    """List a corpus once, compare it with the one that the model in service was trained on, and divide it.

    `output` gets `manifest.jsonl.gz`, a row for each file (see `kakeai.manifest`), and `survey.json`, the
    result. It appears whole or not at all. A bucket's files are not read, only its archives, and those only
    when they are new.

    Args:
        corpus: Folder with .mid, .midi, .xml, .musicxml, .mxl and .abc files at any depth, also inside zip
            and tar archives; or one such file; local, or a gs:// address.
        output: Folder to write: a new or empty one, or one that survey wrote, which is replaced.
        store: The model store; empty for none, then every corpus is new.
        model: The model's name in it.
        recipe: All else that decides what is trained; compared with the champion's.
        allow_shrink: Take also a corpus that has lost more than half of what the champion was trained on.
        num_shards: Parts to divide it into; by default as many as are worth a pod each.
        reuse: Where `ingest_shard` keeps what it has read; a file that is there counts as quickly read.
        min_new: With fewer new contents than that, a corpus counts as unchanged, unless the recipe has changed.
        max_midi_bytes: The most that is read of a MIDI file; a larger one counts as one that cannot be read.
        follow_links: Follow links that lead out of the corpus's folder; else each counts as a file that cannot be
            read. Links to what lies in the folder count as what they lead to.
        on_progress: Called with files done and files in all.

    Raises:
        KakeaiError: No such corpus, one without music, or one that has shrunk; an output that may not be replaced; a
            bucket that does not answer.
    """
    if num_shards is not None and num_shards < 1:
        raise KakeaiError(f"--num-shards must be at least 1, not {num_shards}")
    if max_midi_bytes < MAX_MIDI_BYTES:
        raise KakeaiError(f"--max-midi-bytes must be at least {MAX_MIDI_BYTES:,}, not {max_midi_bytes:,}")
    champions = location(store) / model if store else None
    check_output(
        output, FILES, [("the corpus", corpus), ("the store's model", champions), ("--reuse", reuse)]
    )
    place = Corpus(corpus, max_midi_bytes, follow_links=follow_links)
    with champion_in(store, model) as champion, replaced_folder(output, FILES) as folder:
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
            result,
            num_shards=num_shards,
            shard_files=shard_files,
            max_midi_bytes=max_midi_bytes,
            follow_links=follow_links,
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
