"""`kakeai generate` beside Magenta's own melody_rnn_generate, on the same bundles."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from magenta.models.melody_rnn import melody_rnn_generate, melody_rnn_model
from magenta.models.melody_rnn.melody_rnn_sequence_generator import MelodyRnnSequenceGenerator
from magenta.models.shared import sequence_generator_bundle
from note_seq import midi_io
from note_seq.protobuf import generator_pb2

from cli import generate as commands
from cli.generate import generate, parse_primer, read_primer_midi
from kakeai.errors import KakeaiError
from kakeai.model.configs import config_named
from kakeai.model.magenta.bundle import write_bundle
from kakeai.model.magenta.model import read_magenta_run
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes

pytestmark = [
    # So cold, Magenta finds its own primer impossible.
    pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning"),
    # Magenta leaves the files that it writes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COLD = 1e-6  # temperature at which only the likeliest event is left
LIVELY = 4.0  # initial weights are multiplied by it, or the likeliest event is always the same
TICK_SECONDS = 60 / 120 / 220  # of the files that Magenta writes

PRIMERS = {
    "default": {"primer_melody": ""},
    "nothing": {"primer_melody": "[]"},
    "silence": {"primer_melody": "[-2, -1, -2]"},
    "one note": {"primer_melody": "[67]"},
    "phrase": {"primer_melody": "[60, -2, 62, -2, 64, -1, 65, -2, 67, -2, -2, -2, 72, -2, -1, -2, -2]"},
    "late": {"primer_melody": f"[{'-2, ' * 21} 60, 62]"},
    "out of range": {"primer_melody": "[30, -2, 100, -2, 31, -2]"},
    "slow": {"primer_melody": "[60, -2, 62, -2]", "qpm": 77.0},
    "fast": {"primer_melody": "[60, -2, 62, -2]", "qpm": 193.3},
}


MIDI_PRIMERS = {
    # pitch, velocity, start, end; tempo; metre
    "chords": (
        [(60, 90, 0.0, 0.5), (64, 90, 0.0, 0.25), (67, 90, 0.5, 1.5), (62, 90, 0.75, 1.0)],
        120.0,
        (4, 4),
    ),
    "late and off the grid": ([(72, 50, 4.03, 4.52), (71, 90, 4.61, 5.2)], 120.0, (4, 4)),
    "a waltz": ([(72, 50, 2.53, 2.92), (71, 90, 3.01, 3.02), (74, 90, 3.4, 5.2)], 93.0, (3, 4)),
    "held under the tune": ([(60, 90, 0.0, 4.0), (72, 90, 0.5, 0.75), (74, 90, 1.0, 1.1)], 77.7, (6, 8)),
    "nothing": ([], 100.0, (4, 4)),
}


class Recorder:
    """Stands for Magenta's model: keeps what it is asked for, and plays nothing but holds."""

    def initialize_with_checkpoint_and_metagraph(self, *_):
        pass

    def generate_melody(self, num_steps, melody, **settings):
        self.asked = (list(melody), melody.start_step, num_steps - len(melody))
        melody.set_length(num_steps)
        return melody


def run_magenta(generator, folder, **settings):
    """Magenta's command, past the reading of its flags: the NoteSequences of the files that it writes."""
    flags = melody_rnn_generate.FLAGS
    plain = {name: flags[name].default for name in ("qpm", "primer_melody", "primer_midi", "beam_size")}
    plain |= {name: flags[name].default for name in ("branch_factor", "steps_per_iteration", "temperature")}
    for name, value in {**plain, "num_outputs": 1, "output_dir": str(folder), **settings}.items():
        flags[name].value = value
    flags.mark_as_parsed()
    melody_rnn_generate.run_with_flags(generator)
    return sequences(folder)


def sequences(folder):
    return [midi_io.midi_file_to_note_sequence(str(path)) for path in sorted(folder.glob("*.mid"))]


def equal(ours, theirs):
    assert len(ours) == len(theirs) == 1
    rows = [
        [(n.pitch, n.velocity, n.start_time, n.end_time, n.program, n.instrument) for n in sequence.notes]
        for sequence in (ours[0], theirs[0])
    ]
    assert len(rows[0]) == len(rows[1])
    np.testing.assert_allclose(*(np.reshape(row, (-1, 6)) for row in rows), atol=TICK_SECONDS / 100)
    # Magenta cuts the microseconds of a quarter note off, where we round them.
    assert ours[0].tempos[0].qpm == pytest.approx(theirs[0].tempos[0].qpm, rel=1e-5)
    assert ours[0].total_time == pytest.approx(theirs[0].total_time, abs=TICK_SECONDS / 100)


@pytest.fixture(scope="module")
def recorder():
    details = melody_rnn_model.default_configs["basic_rnn"].details
    bundle = generator_pb2.GeneratorBundle(checkpoint_file=[b""], generator_details=details)
    return MelodyRnnSequenceGenerator(Recorder(), details, 4, bundle=bundle)


def heard_alike(primer, recorder, folder, **settings):
    theirs = run_magenta(recorder, folder / "theirs", **settings)
    melody, start_step, steps = recorder._model.asked
    assert primer.melody.tolist() == melody
    assert (primer.start_step, primer.steps) == (start_step, steps)
    notes = primer.notes_of(np.append(primer.melody, np.full(primer.steps, -2, np.int8)))
    (folder / "ours").mkdir()
    (folder / "ours" / "ours.mid").write_bytes(write_midi([Track("melody", notes)], primer.qpm))
    equal(sequences(folder / "ours"), theirs)


@pytest.mark.parametrize("name", PRIMERS)
def test_magenta_goes_on_from_the_same_events(recorder, name, tmp_path):
    settings = PRIMERS[name]
    for num_steps in (40, 41, 127):
        folder = tmp_path / str(num_steps)
        folder.mkdir()
        primer = parse_primer(settings["primer_melody"] or "[60]", settings.get("qpm", 120.0), num_steps)
        heard_alike(primer, recorder, folder, num_steps=num_steps, **settings)


@pytest.mark.parametrize("name", MIDI_PRIMERS)
def test_magenta_hears_the_same_in_a_primer_midi(recorder, name, tmp_path):
    notes, tempo, metre = MIDI_PRIMERS[name]
    path = tmp_path / "primer.mid"
    path.write_bytes(write_midi([Track("phrase", make_notes(notes))], tempo, metre))
    settings = {"num_steps": 72, "primer_midi": str(path), "qpm": 150.0}  # the file's own tempo counts
    heard_alike(read_primer_midi(path, 72), recorder, tmp_path, **settings)


@pytest.fixture(scope="module", params=melody_rnn_model.default_configs)
def bundle(request, tmp_path_factory):
    model = MelodyRnn(config_named(request.param, "rnn_layer_sizes=[8,8]"), seed=1)
    for variable in model.variables:
        variable.assign(variable * LIVELY)
    path = tmp_path_factory.mktemp(request.param) / "model.mag"
    write_bundle(model, path, "a test")
    return path


def test_a_primer_without_end_is_read_up_to_a_limit():
    with pytest.raises(KakeaiError, match="cannot begin with /dev/zero: it is larger than 16,777,216 bytes"):
        read_primer_midi(Path("/dev/zero"), 32)


def test_magenta_writes_the_same_file_from_the_same_bundle(bundle, tmp_path):
    content = sequence_generator_bundle.read_bundle_file(str(bundle))
    config = melody_rnn_model.default_configs[content.generator_details.id]
    settings = {"num_steps": 64, "num_outputs": 1, "temperature": COLD, **PRIMERS["phrase"]}
    searching = {"beam_size": 2, "branch_factor": 2, "steps_per_iteration": 3}
    model = melody_rnn_model.MelodyRnnModel(config)
    with MelodyRnnSequenceGenerator(model, config.details, 4, bundle=content) as generator:
        theirs = run_magenta(generator, tmp_path / "theirs", **settings)
        generate(bundle, output_dir=tmp_path / "ours", **settings)
        equal(sequences(tmp_path / "ours"), theirs)
        equal(run_magenta(generator, tmp_path / "their search", **settings, **searching), theirs)
    generate(bundle, output_dir=tmp_path / "our search", **settings, **searching)
    equal(sequences(tmp_path / "our search"), theirs)
    assert len({note.pitch for note in theirs[0].notes}) > 3  # the model had something to say


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"primer_melody": "[60, 128]"}, "128 is out of range; use 0 to 127"),
        ({"primer_melody": "sixty"}, "must be a list such as"),
        ({"primer_melody": "[60.5]"}, "must be a list such as"),
        ({"primer_melody": "[60]", "primer_midi": Path("x.mid")}, "not both"),
        ({"primer_midi": Path("missing.mid")}, "cannot read missing.mid"),
        ({"primer_midi": Path(__file__)}, r"cannot begin with \S+test_generate.py: "),
        ({"temperature": 0.0}, "--temperature must be greater than 0"),
        ({"temperature": float("nan")}, "--temperature must be greater than 0"),
        ({"qpm": 0.0}, "--qpm must be from 4 to 1000"),
        ({"num_steps": 5, "primer_melody": "[60, -2, -2]"}, "the primer takes 5 steps.*--num-steps"),
        ({"bundle": None}, "give either --bundle .* or --run-dir"),
        ({"bundle": None, "config": "basic_rnn"}, "give either --bundle .* or --run-dir"),
        ({"run_dir": "run"}, "give either --bundle .* or --run-dir"),
        ({"bundle": None, "run_dir": "nowhere"}, "nowhere holds no training"),
        ({"config": "jazz_rnn"}, "unknown config 'jazz_rnn'"),
        ({"hparams": "speed=9"}, "unknown hparam 'speed=9'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, told, small_bundle, tmp_path):
    with pytest.raises(KakeaiError, match=told):
        generate(**{"bundle": small_bundle, "output_dir": tmp_path / "out", **settings})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("tempos", "metres", "told"),
    [
        ([(0.0, 120.0), (2.5, 90.0)], [], r"its tempo changes at 2.5 s"),
        ([(1.5, 90.0)], [], r"its tempo changes at 1.5 s"),
        ([], [(0.0, 4, 4), (3.0, 3, 4)], r"its metre changes at 3.0 s"),
        ([], [(0.0, 3, 32)], "bars of 3/32 are no whole number"),
    ],
)
def test_a_primer_that_magenta_cannot_quantise(tempos, metres, told):
    from kakeai.music.primer import primer_of_score
    from kakeai.music.score import KEY_SIGNATURE, TEMPO, TIME_SIGNATURE, Score

    notes = make_notes([(60, 90, 0.0, 1.0)])
    changes = np.array(tempos, TEMPO), np.array(metres, TIME_SIGNATURE), np.array([], KEY_SIGNATURE)
    with pytest.raises(KakeaiError, match=told):
        primer_of_score(Score(notes, *changes, 5.0, 220), 64)


@pytest.fixture(scope="module")
def small_bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "model.mag"
    write_bundle(MelodyRnn(config_named("basic_rnn", "rnn_layer_sizes=[4]")), path, "a test")
    return path


def test_a_training_that_magenta_did_plays_without_being_packed(tmp_path):
    import tensorflow.compat.v1 as tf1
    from magenta.contrib.training import HParams
    from magenta.models.shared import events_rnn_graph

    default = melody_rnn_model.default_configs["attention_rnn"]
    hparams = HParams(
        **{**default.hparams.values(), "rnn_layer_sizes": [8], "attn_length": 5, "batch_size": 2}
    )
    config = melody_rnn_model.MelodyRnnConfig(default.details, default.encoder_decoder, hparams)
    (tmp_path / "run" / "train").mkdir(parents=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        events_rnn_graph.get_build_graph_fn("generate", config)()
        tf1.train.create_global_step()
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(tmp_path / "run" / "train" / "model.ckpt"), global_step=7)
        variables = {variable.op.name: variable for variable in tf1.global_variables()}
        weights = session.run(variables["fully_connected/weights"])
    model = read_magenta_run(tmp_path / "run", "", "")
    assert model.config.name == "attention_rnn"
    assert model.config.hparams.attn_length == 5
    np.testing.assert_array_equal(model.to_logits.get_weights()[0], weights)
    with pytest.raises(KakeaiError, match="holds no training"):
        read_magenta_run(tmp_path, "", "")


def test_two_runs_in_the_same_second_keep_both_their_files(small_bundle, tmp_path, monkeypatch):
    second = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)
    monkeypatch.setattr(commands, "datetime", SimpleNamespace(now=lambda: second))
    for seed in (1, 2):
        generate(small_bundle, output_dir=tmp_path, num_outputs=2, num_steps=32, seed=seed)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    stamp = "2026-12-01_120000"
    assert names == [f"{stamp}_1.mid", f"{stamp}_1_2.mid", f"{stamp}_2.mid", f"{stamp}_2_2.mid"]
    # A melody's own seed counts on from the run's, so the first run's second is the second run's first.
    assert (tmp_path / f"{stamp}_2.mid").read_bytes() == (tmp_path / f"{stamp}_1_2.mid").read_bytes()
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3


def test_a_melody_follows_from_its_seed(small_bundle, tmp_path):
    for seed, number in ((5, 3), (6, 2)):
        generate(small_bundle, output_dir=tmp_path / str(seed), num_outputs=number, num_steps=32, seed=seed)
    three, two = (
        [path.read_bytes() for path in sorted((tmp_path / seed).glob("*.mid"))] for seed in ("5", "6")
    )
    assert three[1:] == two
    assert len(set(three)) == 3
