"""Kakeai as a library: the example in its docstring, word for word, and what a wrong value gets."""

import subprocess
import sys

import numpy as np
import pytest

import kakeai
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from kakeai.model.configs import config_named
    from kakeai.model.magenta.bundle import write_bundle
    from kakeai.model.network.melody_rnn import MelodyRnn

    folder = tmp_path_factory.mktemp("library")
    (folder / "work").mkdir()
    model = MelodyRnn(config_named("attention_rnn", "rnn_layer_sizes=[8]"), seed=1)
    write_bundle(model, folder / "work" / "kakeai.mag", "a test")
    notes = make_notes([(60, 90, 0.0, 0.5), (64, 90, 0.5, 1.0), (48, 90, 0.5, 1.0)])
    (folder / "phrase.mid").write_bytes(write_midi([Track("me", notes)], 120.0))
    return folder


def test_the_docstrings_example_works_as_it_stands(folder, monkeypatch):
    monkeypatch.chdir(folder)
    example = kakeai.__doc__.split("\n\n", 1)[1]
    names = {}
    exec("\n".join(line.removeprefix("    ") for line in example.splitlines()), names)
    assert names["phrase"].tolist() == [60, -2, -2, -2, 64, -2, -2, -2]
    assert names["answer"].shape == (32,)
    played = kakeai.read_midi("answer.mid").notes
    assert played["pitch"].tolist() == [pitch for pitch in names["answer"] if pitch >= 0]


def test_an_answer_is_that_of_kakeai_generate(folder):
    from kakeai.model.magenta.bundle import read_bundle
    from kakeai.model.sampling.beam_search import Beam
    from kakeai.model.sampling.generation import melodies

    bundle = folder / "work" / "kakeai.mag"
    phrase = np.array([60, -2, 64, -2], np.int8)
    [whole] = melodies(read_bundle(bundle, "", ""), phrase, 16, 1, 1.2, 5, Beam(1, 1, 1))
    partner = kakeai.load(bundle)
    assert partner.answer(phrase, steps=16, temperature=1.2, seed=5).tolist() == whole[4:].tolist()
    assert partner.answer([], steps=3).shape == (3,)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: kakeai.load("none.mag"), "there is no bundle none.mag"),
        (lambda: kakeai.read_midi("none.mid"), "cannot read none.mid"),
        (lambda: kakeai.read_midi("pyproject.toml"), "cannot read pyproject.toml"),
    ],
)
def test_what_cannot_be_read_is_named(call, sentence):
    with pytest.raises(kakeai.KakeaiError, match=sentence):
        call()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"melody": [128]}, "melody"),
        ({"steps": 0}, "steps"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
    ],
)
def test_a_value_out_of_range_is_named(folder, values, field):
    partner = kakeai.load(folder / "work" / "kakeai.mag")
    with pytest.raises(kakeai.KakeaiError, match=f"^{field} must"):
        partner.answer(**{"melody": [60], "steps": 4, **values})


@pytest.mark.parametrize(
    "module", ["kakeai", "kakeai.stages.train", "kakeai.stages.survey", "kakeai.stages.release"]
)
def test_importing_it_is_light(module):
    heavy = "{'kfp', 'tensorflow', 'keras', 'note_seq', 'magenta'}"
    program = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
