"""Convert: melodies, the held-out side, the ledger, and the words where there is nothing to learn from."""

import hashlib
import json
import shutil
import zipfile
from collections import Counter

import numpy as np
import pytest
from note_seq.protobuf import music_pb2  # noqa: F401  before Magenta, with its warnings unheard

from kakeai.errors import KakeaiError
from kakeai.melodies.ledger import REASONS, Loss, reason_in_words
from kakeai.model.data.dataset import read_dataset, read_dataset_info
from kakeai.music import extraction
from kakeai.music.extraction import Extraction, Polyphony, extract_melodies
from kakeai.music.midi import Track, read_midi, write_midi
from kakeai.music.score import make_notes
from kakeai.stages.convert import convert
from kakeai.stages.ingest import ingest


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
    dropped = Counter()
    for path in sorted(ireland.rglob("*.mid"), key=lambda path: path.relative_to(ireland).as_posix()):
        content = path.read_bytes()
        below = int.from_bytes(hashlib.sha256(content).digest()[:4], "big") / 2**32 < 0.3
        for stretch in extract_melodies(read_midi(content), Extraction()):
            if stretch.melody is None:
                dropped[stretch.dropped] += 1
            else:
                expected[below].append((path.relative_to(ireland).as_posix(), stretch.melody.tolist()))
    assert [(s, m.tolist()) for s, m in zip(training_sources, training, strict=True)] == expected[False]
    assert [(s, m.tolist()) for s, m in zip(held_out_sources, held_out, strict=True)] == expected[True]
    assert training
    assert held_out
    assert all(melody.dtype == np.int8 for melody in training)

    info = read_dataset_info(tmp_path / "dataset")
    assert (info.config, info.eval_ratio) == ("basic_rnn", 0.3)
    assert (info.num_files, info.num_note_sequences, info.num_rejected) == (30, 30, 0)
    assert (info.num_training_melodies, info.num_eval_melodies) == (len(training), len(held_out))
    assert info.dropped == dropped
    assert info.extraction == {
        "min_bars": 7, "max_steps": 512, "min_unique_pitches": 5, "gap_bars": 1.0, "polyphony": "drop",
    }  # fmt: skip
    assert (info.transpose, info.num_transposed, result.warning) == ("", 0, "")
    assert result.num_training_melodies == len(training)
    assert {reason: loss.stretches for reason, loss in result.dropped.items()} == dropped


def mixed_corpus(ireland, folder):
    """Tunes, some twice, some of them held out, one in an archive; and files that nobody can read."""
    shutil.copytree(ireland, folder)
    tunes = sorted(folder.rglob("*.mid"))
    for number, path in enumerate(tunes[::7]):
        shutil.copy(path, folder / f"again-{number}.mid")
        (folder / f"bad-{number}.mid").write_bytes(path.read_bytes()[: 40 + number])
    (folder / "same-bad.mid").write_bytes((folder / "bad-0.mid").read_bytes())
    with zipfile.ZipFile(folder / "members.zip", "w") as packed:
        packed.writestr("z.mid", tune(50))
        packed.writestr("a.mid", tune(51))
        packed.writestr("m.mid", tunes[3].read_bytes())
    return folder


def test_shards_and_processes_change_nothing(ireland, tmp_path, monkeypatch):
    corpus = mixed_corpus(ireland, tmp_path / "corpus")
    for num_shards in (1, 2, 7):
        folders = [tmp_path / f"{num_shards}-{shard}" for shard in range(num_shards)]
        for shard, folder in enumerate(folders):
            ingest(str(corpus), folder, shard, num_shards)
        if num_shards == 2:
            monkeypatch.setattr("kakeai.melodies.extracted.PARALLEL_FROM_BYTES", 0)
            monkeypatch.setattr("kakeai.melodies.extracted.BATCH_BYTES", 10_000)
            monkeypatch.setattr("kakeai.melodies.extracted.usable_processors", lambda: 2)
        convert(folders[::-1], tmp_path / f"of-{num_shards}", "basic_rnn", 0.3)
        monkeypatch.undo()
    names = sorted(path.name for path in (tmp_path / "of-1").iterdir())
    assert names == ["dataset.json", "eval.tfrecord", "ledger.jsonl", "training.tfrecord"]
    for name in names:
        whole = (tmp_path / "of-1" / name).read_bytes()
        assert (tmp_path / "of-2" / name).read_bytes() == whole, name
        assert (tmp_path / "of-7" / name).read_bytes() == whole, name


def ledger_of(folder):
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_the_ledger_has_every_file_and_every_track(tmp_path):
    def notes(rows, instrument=0):
        return Track("", make_notes(rows), instrument)

    scale = [(50 + i % 9, 90, i / 4, (i + 1) / 4) for i in range(64)]
    chords = [(p, 90, i, i + 1) for i in range(20) for p in (60, 64)]
    drone = [(60, 90, i / 2, (i + 1) / 2) for i in range(60)]
    two_parts = [*scale, *[(pitch, 90, begin + 30, end + 30) for pitch, _, begin, end in scale[:60]]]
    band = write_midi([notes(two_parts), notes(chords, 5), notes(drone, 7)])
    files = {
        "band.mid": band,
        "copy.mid": band,
        "damaged.mid": band[:60],
        "empty.mid": write_midi([notes([])]),
        "chords.mid": write_midi([notes(chords)]),
        "short.mid": write_midi([notes([*scale[:9], *[(p, 9, s + 40, e + 40) for p, _, s, e in scale[:9]]])]),
    }
    result = convert([ingested(tmp_path, files)], tmp_path / "dataset", "basic_rnn")
    rows = ledger_of(tmp_path / "dataset")
    by_file = {row["file"]: row for row in rows if "verdict" in row}
    assert list(by_file) == sorted(files)
    assert {name: (row["verdict"], row["melodies"]) for name, row in by_file.items()} == {
        "band.mid": ("used", 2), "copy.mid": ("duplicate", 0), "damaged.mid": ("rejected", 0),
        "empty.mid": ("unused", 0), "chords.mid": ("unused", 0), "short.mid": ("unused", 0),
    }  # fmt: skip
    assert by_file["copy.mid"]["reason"] == "band.mid has the same content"
    assert "track" in by_file["damaged.mid"]["reason"]
    assert [by_file[f"{name}.mid"]["reason"] for name in ("empty", "chords", "short")] == [
        "no_notes", "polyphony", "too_short",
    ]  # fmt: skip
    assert [by_file[name]["side"] for name in ("band.mid", "chords.mid")] == ["training", None]
    tracks = [row for row in rows if "track" in row]
    assert [(row["file"], row["melodies"], row["dropped"]) for row in tracks] == [
        ("band.mid", [128, 120], {}),
        ("band.mid", [], {"polyphony": 1}),
        ("band.mid", [], {"too_few_pitches": 1}),
        ("chords.mid", [], {"polyphony": 1}),
        ("short.mid", [], {"too_short": 2}),
    ]
    assert [row["track"] for row in tracks[:3]] == [0, 1, 2]
    assert result.dropped == {
        "polyphony": Loss(2, 2, 2, "band.mid"),
        "too_short": Loss(1, 1, 2, "short.mid"),
        "duplicate": Loss(1, example="copy.mid: band.mid has the same content"),
        "no_notes": Loss(1, example="empty.mid"),
        "rejected": Loss(1, example=f"damaged.mid: {by_file['damaged.mid']['reason']}"),
        "too_few_pitches": Loss(1, 1, 1, "band.mid"),
    }


def test_every_reason_has_words():
    reasons = {value for name, value in vars(extraction).items() if name.isupper() and isinstance(value, str)}
    assert reasons | {"rejected", "duplicate", "in_training"} == set(REASONS)
    assert reason_in_words("polyphony") == "notes begin together"
    assert reason_in_words("some_new_reason") == "some new reason"  # of a newer Kakeai's dataset


def test_transposed_copies_are_learned_from_and_never_held_out(tmp_path):
    # Five semitones up or down some of them are equal.
    files = {f"{first}.mid": tune(first, (0, 1, 5, 6, 8, first % 5 + 10)) for first in range(40, 60)}
    files |= {f"{first}.mid": tune(first, (0, 2, 3, 7, 9, first % 7 + 10)) for first in range(60, 80)}
    files["high.mid"] = tune(112, (0, 2, 4, 5, 7, 9, 11, 12))
    files["low.mid"] = tune(2, (0, 2, 4, 5, 7, 9, 11, 12))
    folder = ingested(tmp_path, files)
    plain = convert([folder], tmp_path / "plain", "mono_rnn", 0.3)
    copied = convert([folder], tmp_path / "copied", "mono_rnn", 0.3, transpose="-5..6")
    (learned, sources), (held_out, _) = sides(tmp_path / "copied")
    (originals, original_sources), (all_held_out, _) = sides(tmp_path / "plain")
    expected = []
    for melody, source in zip(originals, original_sources, strict=True):
        for by in (0, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6):
            copy = [event + by if event >= 0 else event for event in melody.tolist()]
            if all(0 <= note <= 127 for note, event in zip(copy, melody, strict=True) if event >= 0):
                expected.append((source, copy))
    assert [(s, m.tolist()) for s, m in zip(sources, learned, strict=True)] == expected
    assert copied.num_training_melodies == len(learned) < 12 * len(originals)
    assert copied.num_transposed == len(learned) - plain.num_training_melodies
    # A held-out melody that equals a copy is learned, too.
    known = {melody.tobytes() for melody in learned}
    assert [m.tobytes() for m in held_out] == [m.tobytes() for m in all_held_out if m.tobytes() not in known]
    assert 0 < len(held_out) < len(all_held_out)
    info = read_dataset_info(tmp_path / "copied")
    assert (info.transpose, info.num_transposed) == ("-5..6", copied.num_transposed)
    assert copied.warning == ""
    warned = convert([folder], tmp_path / "lookback", "lookback_rnn", 0.3, transpose="0..2")
    assert "lookback_rnn moves every melody to one key" in warned.warning


def test_the_top_voice_may_be_taken(tmp_path):
    scale = [(60 + i % 9, 90, i / 4, (i + 1) / 4) for i in range(64)]
    below = [(pitch - 12, 90, begin, end) for pitch, _, begin, end in scale]
    folder = ingested(tmp_path, {"two.mid": write_midi([Track("", make_notes([*below, *scale]))])})
    top = Extraction(polyphony=Polyphony.TOP)
    result = convert([folder], tmp_path / "dataset", "basic_rnn", extraction=top)
    assert (result.num_training_melodies, result.dropped) == (1, {})
    ((melody,), _), _ = sides(tmp_path / "dataset")
    assert melody[::2].tolist() == [pitch for pitch, *_ in scale]
    assert read_dataset_info(tmp_path / "dataset").extraction["polyphony"] == "top"


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
    repeated = 21 - len(training) - len(held_out)
    loss = result.dropped["in_training"]
    assert (loss.files, loss.tracks, loss.stretches) == (repeated, repeated, repeated)
    assert repeated > 0
    unused = [row for row in ledger_of(tmp_path / "dataset") if row.get("verdict") == "unused"]
    assert [row["reason"] for row in unused] == ["in_training"] * repeated


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
        ({"a.mid": CHORDS}, r"of the 1 pieces .* 1 × notes begin together\. --polyphony top takes"),
        (
            {"a.mid": DRONE, "b.mid": CHORDS, "c.mid": CHORDS + b"\0"},
            r"2 × notes begin together, 1 × fewer pitches than --min-unique-pitches",
        ),
        ({"a.mid": tune(50)[:-9]}, r"nothing in the corpus can be read.* middle of track 2"),
        ({"a.mid": write_midi([Track("", make_notes([]))])}, r"1 × no note is heard"),
    ],
)
def test_where_no_melody_is_found_the_reasons_and_the_ledger_say_why(tmp_path, files, words):
    folder = ingested(tmp_path, files)
    with pytest.raises(KakeaiError, match=words + r".*dataset\.ledger\.jsonl tells of every file and track"):
        convert([folder], tmp_path / "dataset", "basic_rnn")
    assert not (tmp_path / "dataset").exists()
    rows = [json.loads(line) for line in (tmp_path / "dataset.ledger.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows if "verdict" in row] == sorted(files)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": "drum_rnn"}, "unknown config 'drum_rnn'.* basic_rnn"),
        ({"eval_ratio": 1.0}, "--eval-ratio"),
        ({"eval_ratio": -0.1}, "--eval-ratio"),
        ({"eval_ratio": float("nan")}, "--eval-ratio"),
        ({"transpose": "5"}, "--transpose must be a range of semitones such as -5..6, not 5"),
        ({"transpose": "6..-5"}, "--transpose"),
        ({"transpose": "-500..6"}, "--transpose"),
    ],
)
def test_bad_arguments_are_refused(note_sequences, tmp_path, arguments, words):
    with pytest.raises(KakeaiError, match=words):
        convert([note_sequences], tmp_path / "dataset", **{"config": "basic_rnn", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_damaged_or_missing_note_sequences_are_refused(note_sequences, tmp_path):
    with pytest.raises(KakeaiError, match="holds no NoteSequences"):
        convert([tmp_path / "none"], tmp_path / "dataset", "basic_rnn")
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
    assert seen == sorted(seen)
    assert seen[-1] == (30, 30)
