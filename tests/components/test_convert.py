"""Convert: melodies, the held-out side, and the words where there is nothing to learn from."""

import hashlib
import json

import numpy as np
import pytest
from note_seq.protobuf import music_pb2  # noqa: F401  before Magenta, with its warnings unheard

from components.convert import convert
from components.ingest import ingest
from kakeai.errors import KakeaiError
from kakeai.model.dataset import read_dataset, read_dataset_info
from kakeai.music.melody import Extraction, extract_melodies
from kakeai.music.midi import Track, read_midi, write_midi
from kakeai.music.score import make_notes


def tune(first, steps=(0, 2, 4, 5, 7, 9, 11, 12)):
    """Eight bars of eighths at 120, up and down a scale, so that each first pitch gives another tune."""
    pitches = [first + steps[i % len(steps)] for i in range(64)]
    return write_midi(
        [Track("tune", make_notes([(p, 90, i / 4, (i + 1) / 4) for i, p in enumerate(pitches)]))]
    )


def ingested(folder, files):
    """A folder of NoteSequences made of files by name."""
    (folder / "corpus").mkdir(parents=True)
    for name, content in files.items():
        (folder / "corpus" / name).write_bytes(content)
    ingest(str(folder / "corpus"), folder / "note_sequences")
    return folder / "note_sequences"


def sides(dataset):
    return read_dataset(dataset / "training.tfrecord"), read_dataset(dataset / "eval.tfrecord")


def test_every_melody_of_the_corpus_is_on_the_side_of_its_file(ireland, note_sequences, tmp_path):
    result = convert([note_sequences], tmp_path / "dataset", "basic_rnn", 0.3)
    (training, training_sources), (held_out, held_out_sources) = sides(tmp_path / "dataset")
    assert not set(training_sources) & set(held_out_sources)

    expected = {True: [], False: []}
    dropped = 0
    for path in sorted(ireland.rglob("*.mid"), key=lambda path: path.relative_to(ireland).as_posix()):
        content = path.read_bytes()
        below = int.from_bytes(hashlib.sha256(content).digest()[:4], "big") / 2**32 < 0.3
        melodies, reasons = extract_melodies(read_midi(content), Extraction())
        expected[below] += [(path.relative_to(ireland).as_posix(), melody.tolist()) for melody in melodies]
        dropped += reasons.total()
    assert [(s, m.tolist()) for s, m in zip(training_sources, training, strict=True)] == expected[False]
    assert [(s, m.tolist()) for s, m in zip(held_out_sources, held_out, strict=True)] == expected[True]
    assert training
    assert held_out
    assert all(melody.dtype == np.int8 for melody in training)

    info = read_dataset_info(tmp_path / "dataset")
    assert (info.config, info.eval_ratio) == ("basic_rnn", 0.3)
    assert (info.num_files, info.num_note_sequences, info.num_rejected) == (30, 30, 0)
    assert (info.num_training_melodies, info.num_eval_melodies) == (len(training), len(held_out))
    assert sum(info.dropped.values()) == dropped
    assert info.extraction == {"min_bars": 7, "max_steps": 512, "min_unique_pitches": 5, "gap_bars": 1.0}
    assert (result.num_training_melodies, result.dropped) == (len(training), info.dropped)


def test_shards_in_any_order_give_the_same_dataset(ireland, note_sequences, tmp_path):
    for shard in range(3):
        ingest(str(ireland), tmp_path / str(shard), shard, 3)
    convert([note_sequences], tmp_path / "whole", "basic_rnn")
    convert([tmp_path / str(shard) for shard in (2, 0, 1)], tmp_path / "shards", "basic_rnn")
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "shards" / path.name).read_bytes() == path.read_bytes()


def test_a_file_keeps_its_side_when_the_corpus_grows(tmp_path):
    files = {f"{first}.mid": tune(first) for first in range(40, 60)}
    small = ingested(tmp_path / "small", dict(list(files.items())[:10]))
    large = ingested(tmp_path / "large", {f"renamed-{name}": content for name, content in files.items()})
    convert([small], tmp_path / "a", "basic_rnn", 0.5)
    convert([large], tmp_path / "b", "basic_rnn", 0.5)
    for side_a, side_b in zip(sides(tmp_path / "a"), sides(tmp_path / "b"), strict=True):
        assert {f"renamed-{source}" for source in side_a[1]} <= set(side_b[1])


def test_the_fingerprint_follows_paths_and_contents(tmp_path):
    def fingerprint(name, files):
        folder = ingested(tmp_path / name, files)
        convert([folder], tmp_path / name / "dataset", "basic_rnn")
        return read_dataset_info(tmp_path / name / "dataset").fingerprint

    files = {"a.mid": tune(50), "b.mid": tune(51)}
    first = fingerprint("1", files)
    assert fingerprint("2", dict(reversed(files.items()))) == first
    assert fingerprint("3", {**files, "b.mid": tune(52)}) != first
    assert fingerprint("4", {"a.mid": tune(50), "c.mid": tune(51)}) != first


def test_a_held_out_melody_that_is_also_learned_is_dropped(tmp_path):
    # The same notes in files of different bytes, hence on either side of the split.
    files = {}
    for number in range(20):
        notes = read_midi(tune(50)).notes
        files[f"{number}.mid"] = write_midi([Track(f"copy {number}", notes)])
    files["other.mid"] = tune(57, (0, 1, 5, 6, 8, 10))
    result = convert([ingested(tmp_path, files)], tmp_path / "dataset", "basic_rnn", 0.5)
    (training, _), (held_out, _) = sides(tmp_path / "dataset")
    learned = {melody.tobytes() for melody in training}
    assert not any(melody.tobytes() in learned for melody in held_out)
    assert result.dropped["in_training"] == 21 - len(training) - len(held_out) > 0


@pytest.mark.parametrize("ratio", [1e-6, 0.999999])
def test_two_files_are_enough_for_two_sides(tmp_path, ratio):
    files = {f"{first}.mid": tune(first) for first in (50, 51, 52)}
    result = convert([ingested(tmp_path, files)], tmp_path / "dataset", "basic_rnn", ratio)
    assert (result.num_training_melodies, result.num_eval_melodies) == (2, 1)
    smallest = min(files, key=lambda name: hashlib.sha256(files[name]).hexdigest())
    assert sides(tmp_path / "dataset")[1][1] == [smallest]


def test_nothing_is_held_out_where_nothing_is_asked_for(tmp_path):
    files = {f"{first}.mid": tune(first) for first in (50, 51)}
    result = convert([ingested(tmp_path, files)], tmp_path / "dataset", "basic_rnn", 0.0)
    assert (result.num_training_melodies, result.num_eval_melodies) == (2, 0)


@pytest.mark.parametrize("ratio", [0.001, 0.999])
def test_a_single_file_is_learned_from(tmp_path, ratio):
    result = convert([ingested(tmp_path, {"a.mid": tune(50)})], tmp_path / "dataset", "basic_rnn", ratio)
    assert (result.num_training_melodies, result.num_eval_melodies) == (1, 0)


def test_the_rules_of_extraction_can_be_changed(tmp_path):
    short = write_midi([Track("", make_notes([(60 + i, 90, i / 2, (i + 1) / 2) for i in range(8)]))])
    folder = ingested(tmp_path, {"short.mid": short})
    with pytest.raises(KakeaiError):
        convert([folder], tmp_path / "dataset", "basic_rnn")
    rules = Extraction(min_bars=2)
    assert convert([folder], tmp_path / "dataset", "basic_rnn", 0.1, rules).num_training_melodies == 1
    assert read_dataset_info(tmp_path / "dataset").extraction["min_bars"] == 2


CHORDS = write_midi([Track("", make_notes([(p, 90, i, i + 1) for i in range(20) for p in (60, 64)]))])
DRONE = write_midi([Track("", make_notes([(60, 90, i / 2, (i + 1) / 2) for i in range(60)]))])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.mid": CHORDS}, r"of the 1 pieces .* 1 tracks with notes that begin together"),
        (
            {"a.mid": DRONE, "b.mid": CHORDS},
            r"1 tracks .*, 1 melodies with fewer than 5 pitches \(min_unique",
        ),
        ({"a.mid": tune(50)[:-9]}, r"nothing in the corpus can be read.* middle of track 2; .* lists all 1"),
    ],
)
def test_where_no_melody_is_found_the_reasons_are_counted(tmp_path, files, words):
    folder = ingested(tmp_path, files)
    with pytest.raises(KakeaiError, match=words):
        convert([folder], tmp_path / "dataset", "basic_rnn")
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": "drum_rnn"}, "unknown config 'drum_rnn'.* basic_rnn"),
        ({"eval_ratio": 1.0}, "--eval-ratio"),
        ({"eval_ratio": -0.1}, "--eval-ratio"),
        ({"eval_ratio": float("nan")}, "--eval-ratio"),
        ({"extraction": Extraction(max_steps=0)}, "--max-steps cannot be 0"),
        ({"extraction": Extraction(gap_bars=-1.0)}, "--gap-bars cannot be -1"),
    ],
)
def test_bad_arguments_are_refused(note_sequences, tmp_path, arguments, words):
    with pytest.raises(KakeaiError, match=words):
        convert([note_sequences], tmp_path / "dataset", **{"config": "basic_rnn", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_damaged_or_missing_note_sequences_are_refused(note_sequences, tmp_path):
    with pytest.raises(KakeaiError, match="holds no NoteSequences"):
        convert([tmp_path], tmp_path / "dataset", "basic_rnn")
    (path,) = note_sequences.glob("*.tfrecord")
    folder = tmp_path / "cut"
    folder.mkdir()
    (folder / "ingest.json").write_bytes((note_sequences / "ingest.json").read_bytes())
    (folder / "ledger.jsonl").write_bytes((note_sequences / "ledger.jsonl").read_bytes())
    (folder / path.name).write_bytes(path.read_bytes()[:-20])
    with pytest.raises(KakeaiError, match=r"tfrecord is damaged .*ingest again"):
        convert([folder], tmp_path / "dataset", "basic_rnn")
    (folder / "ledger.jsonl").write_text('{"file": "a.mid"}\n')
    with pytest.raises(KakeaiError, match=r"the ledger .* is damaged; run kakeai ingest again"):
        convert([folder], tmp_path / "dataset", "basic_rnn")


def test_progress_counts_up_to_all_pieces(note_sequences, tmp_path):
    seen = []
    convert([note_sequences], tmp_path / "d", "basic_rnn", on_progress=lambda *at: seen.append(at))
    assert seen == [(done, 30) for done in range(31)]


@pytest.mark.filterwarnings("ignore:You may be attemping:RuntimeWarning")
def test_both_stages_run_as_components(ireland, tmp_path, capfd, monkeypatch):
    """Ingest, then convert, each in a process of its own."""
    from kfp import dsl, local

    from components.convert import convert_component
    from components.ingest import ingest_component

    @dsl.pipeline
    def both(corpus: str) -> dsl.Dataset:
        with dsl.ParallelFor(items=[0]) as shard:
            ingested = ingest_component(corpus=corpus, shard=shard, num_shards=1, corpus_fingerprint="")
        converted = convert_component(
            note_sequences=dsl.Collected(ingested.outputs["note_sequences"]),
            config="mono_rnn",
            eval_ratio=0.2,
        )
        return converted.outputs["dataset"]

    monkeypatch.chdir(tmp_path)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    dataset = both(corpus=str(ireland)).output
    info = read_dataset_info(tmp_path / dataset.path)
    assert (info.config, info.num_files) == ("mono_rnn", 30)
    assert info.num_training_melodies > 0
    log = capfd.readouterr().out
    stages = [
        json.loads(line.split("KAKEAI_STAGE ")[1]) for line in log.splitlines() if "KAKEAI_STAGE {" in line
    ]
    assert [stage["stage"] for stage in stages] == ["ingest", "convert"]
    assert [stage["files"] for stage in stages] == [30, 30]
    assert all(stage["seconds"] > 0 for stage in stages)
