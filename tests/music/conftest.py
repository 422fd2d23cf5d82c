"""Real tunes for the light floor's tests."""

import pytest

import kakeai.model.data.note_sequences  # noqa: F401  imports note-seq, with its warnings unheard

TUNES = 200


@pytest.fixture(scope="session")
def tunes(tmp_path_factory):
    """MIDI files of O'Neill's first tunes, as bytes by name."""
    from cli.oneills import oneills

    folder = tmp_path_factory.mktemp("oneills")
    oneills(folder, TUNES)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mid"))}
