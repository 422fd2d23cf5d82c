"""What a stage wrote, it replaces: the files that Kakeai writes today and those that 0.1 wrote."""

import pytest

from kakeai.errors import KakeaiError
from kakeai.outputs import check_output, replaced_folder
from kakeai.stages.bundle import FILES as BUNDLE
from kakeai.stages.convert import convert
from kakeai.stages.evaluate import FILES as EVALUATION
from kakeai.stages.ingest import FILES as NOTE_SEQUENCES
from kakeai.stages.ingest import ingest, ingest_shard
from kakeai.stages.survey import FILES as MANIFEST
from kakeai.stages.survey import survey

V0_1 = {
    MANIFEST: ["manifest.jsonl.gz", "survey.json"],
    NOTE_SEQUENCES: [
        "ingest.json",
        "ledger.jsonl",
        "note_sequences-00000-of-00001.tfrecord",
        "rejected.jsonl",
    ],
    EVALUATION: ["decision.json", "metrics.json", "report.html", "tunes.jsonl"],
    BUNDLE: ["bundle.json", "kakeai.hparams", "kakeai.mag", "saved_model/saved_model.pb"],
}


@pytest.fixture(params=["missing", "empty", "an earlier attempt's"])
def output(request, tmp_path):
    """Where KFP has a stage write: nothing is there, an empty folder, or what an attempt before this one wrote."""
    folder = tmp_path / "output"
    if request.param == "empty":
        folder.mkdir()
    return folder, 2 if request.param == "an earlier attempt's" else 1


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_corpus_is_surveyed_again(ireland, output):
    folder, times = output
    for _ in range(times):
        survey(str(ireland), folder)
    assert names(folder) == V0_1[MANIFEST]


def test_a_shard_is_read_again(ireland, output, tmp_path):
    folder, times = output
    survey(str(ireland), tmp_path / "manifest")
    for _ in range(times):
        ingest_shard(tmp_path / "manifest", folder, num_processes=1)
    assert names(folder) == V0_1[NOTE_SEQUENCES]


def test_a_dataset_is_made_again(note_sequences, output):
    folder, times = output
    for _ in range(times):
        convert([note_sequences], folder, "basic_rnn")
    assert names(folder) == ["dataset.json", "eval.tfrecord", "ledger.jsonl", "training.tfrecord"]


@pytest.mark.parametrize("files", V0_1, ids=lambda files: files.stage)
def test_a_folder_of_kakeai_0_1_is_replaced(tmp_path, files):
    output = tmp_path / "output"
    for name in V0_1[files]:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).touch()
    check_output(output, files, [])
    with replaced_folder(output, files) as folder:
        (folder / files.marker).touch()
    assert names(tmp_path) == [f"output/{files.marker}"]


def test_another_stages_folder_is_not_replaced(note_sequences, ireland):
    before = names(note_sequences)
    with pytest.raises(KakeaiError, match=r"holds ingest\.json, which kakeai survey did not write"):
        survey(str(ireland), note_sequences)
    with pytest.raises(KakeaiError, match="is the corpus"):
        ingest(str(note_sequences), note_sequences)
    assert names(note_sequences) == before
