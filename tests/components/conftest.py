"""A small corpus of real tunes for the stages' tests."""

import pytest

import kakeai.model.note_sequences  # noqa: F401  imports note-seq, with its warnings unheard

TUNES = 30


@pytest.fixture(scope="session")
def ireland(tmp_path_factory):
    """A folder of MIDI files: O'Neill's first tunes, a third of them in a folder below."""
    from cli.corpus import oneills

    folder = tmp_path_factory.mktemp("corpus") / "ireland"
    oneills(folder, TUNES)
    (folder / "more").mkdir()
    for path in sorted(folder.glob("*.mid"))[::3]:
        path.rename(folder / "more" / path.name)
    return folder


@pytest.fixture(scope="session")
def note_sequences(ireland, tmp_path_factory):
    """What ingest makes of it."""
    from components.ingest import ingest

    output = tmp_path_factory.mktemp("ingested") / "note_sequences"
    ingest(str(ireland), output)
    return output
