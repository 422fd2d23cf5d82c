"""O'Neill's tunes as MIDI files."""

import importlib.util

import pytest
from note_seq import abc_parser

import kakeai.model.data.note_sequences  # noqa: F401  imports note-seq, with its warnings unheard
from cli.oneills import oneills
from cli.tunebook import header_field, plain_tune, split_tunebook
from kakeai.errors import KakeaiError
from kakeai.music.extraction import Extraction, extract_melodies
from kakeai.music.midi import read_midi


def notes_of(body, header="M:4/4\nL:1/8\nK:C"):
    """What note-seq reads in the plain form of a tune's body: pitch, and start and end in eighths."""
    (tune,) = split_tunebook(f"X:1\nT:x\n{header}\n{body}\n")
    sequence = abc_parser.ABCTune(plain_tune(tune)).note_sequence
    return [(n.pitch, round(n.start_time * 4, 6), round(n.end_time * 4, 6)) for n in sequence.notes]


C, D, E, F, G = 60, 62, 64, 65, 67
R = 62 - 48


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        ("CD2E/|", [(C, 0, 1), (D, 1, 3), (E, 3, 3.5)]),
        ("C//D3/E3/2|", [(C, 0, 0.25), (D, 0.25, 1.75), (E, 1.75, 3.25)]),
        ("(3CDE F|", [(C, 0, 0.666667), (D, 0.666667, 1.333333), (E, 1.333333, 2), (F, 2, 3)]),
        ("(2CD E|", [(C, 0, 1.5), (D, 1.5, 3), (E, 3, 4)]),
        ("(3:2:2CD E|", [(C, 0, 0.666667), (D, 0.666667, 1.333333), (E, 1.333333, 2.333333)]),
        ("C>D E<<F|", [(C, 0, 1.5), (D, 1.5, 2), (E, 2, 2.25), (F, 2.25, 4)]),
        ("(3C>DE|", [(C, 0, 1), (D, 1, 1.333333), (E, 1.333333, 2)]),
        ("{c}C z D|", [(C, 0, 1), (R, 1, 2), (D, 2, 3)]),
        ("C-C D-E|", [(C, 0, 2), (D, 2, 3), (E, 3, 4)]),
        ("C2-|C2|", [(C, 0, 4)]),
        ('"Am"!trill!~C.D Hx|', [(C, 0, 1), (D, 1, 2)]),
        ("[CEG]2 +CE+|", [(G, 0, 2), (E, 2, 3)]),
        ("^FF|F|", [(66, 0, 1), (66, 1, 2), (65, 2, 3)]),
        ("C[K:D]F|\nK:C\nF|", [(C, 0, 1), (66, 1, 2), (65, 2, 3)]),
        ("F:|", [(F, 0, 1)]),  # a note and a repeat, no field of footnotes
        ("C|1 D:|2 E||", [(C, 0, 1), (D, 1, 2), (C, 2, 3), (E, 3, 4)]),
        ("C||D[1 E:|[2 F||G|", [(p, i, i + 1) for i, p in enumerate((C, D, E, D, F, G))]),
        ("C % a remark\nD|", [(C, 0, 1), (D, 1, 2)]),
    ],
)
def test_what_note_seq_refuses_is_written_out(body, notes):
    assert notes_of(body) == notes


def test_what_note_seq_reads_stays_as_it_is():
    tune = "X:1\nT:x\nM:6/8\nL:1/8\nK:Gm\n|: G3-A (Bcd=e) | f4 (g2dB) :: ({d}c3) :| G2 |\n"
    plain = abc_parser.ABCTune(plain_tune(next(split_tunebook(tune)))).note_sequence
    direct = abc_parser.ABCTune(tune.replace("{d}", "").splitlines()).note_sequence
    assert plain.notes == direct.notes
    assert plain.section_groups == direct.section_groups
    assert plain.section_annotations == direct.section_annotations
    assert plain.key_signatures == direct.key_signatures


def test_a_rest_takes_time_and_sounds_not(tmp_path):
    oneills(tmp_path, 60)
    lowest = min(read_midi(path.read_bytes()).notes["pitch"].min() for path in tmp_path.glob("*.mid"))
    assert lowest >= 55  # a fiddle's G


def test_the_book_as_midi_files(tmp_path):
    seen = []
    count = oneills(tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    paths = sorted(tmp_path.iterdir())
    assert count == len(paths) > 1800
    assert seen[-1] == (len(seen), len(seen))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert paths[1].name == "0001-the-enchanted-valley.mid"
    assert len({path.name[:4] for path in paths}) == len(paths)

    tunes = [read_midi(path.read_bytes()) for path in paths[::10]]
    melodic = [
        any(stretch.melody is not None for stretch in extract_melodies(tune, Extraction())) for tune in tunes
    ]
    assert sum(melodic) > 0.8 * len(tunes)

    # A repeat is played: strain, strain.
    score = read_midi(next(tmp_path.glob("0906-*")).read_bytes())
    assert score.time_signatures.tolist() == [(0.0, 6, 8)]
    pitches = score.notes["pitch"].tolist()
    assert pitches[:36] == pitches[36:72] != pitches[72:108]

    times = {path: path.stat().st_mtime_ns for path in paths}
    paths[5].unlink()
    assert oneills(tmp_path) == count
    assert {path: path.stat().st_mtime_ns for path in paths if path != paths[5]} == {
        path: time for path, time in times.items() if path != paths[5]
    }


def test_fewer_tunes_may_be_asked_for(tmp_path):
    assert oneills(tmp_path, 7) == 7
    assert len(list(tmp_path.iterdir())) == 7


def test_without_music21_it_says_what_to_install(tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "music21" else find_spec(name)
    )
    with pytest.raises(KakeaiError, match=r"^kakeai corpus oneills needs kakeai\[pipeline\]"):
        oneills(tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_fields_of_a_tune():
    first, second = split_tunebook("a header\n\nX: 7\nT: One\nT: Other\nK:C\nC\n\nX:8\n%no\nK:D\nD\n")
    assert header_field(first, "X") == "7"
    assert header_field(first, "T") == "One"
    assert header_field(second, "T") == ""
