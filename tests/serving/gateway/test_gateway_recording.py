"""What players agree to give, and nothing else, becomes a corpus."""

import io
import json
from contextlib import contextmanager

import note_seq
import pretty_midi
import pytest
from websockets.sync.client import connect

from kakeai.stages.ingest import ingest
from serving.gateway.api.messages import Note, note_columns
from serving.gateway.collection.recording import MAX_NOTES, MAX_TURNS, Recording

PLAYED = [
    {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 90},
    {"pitch": 64, "start": 1.0, "end": 1.5, "velocity": 70},
]


@contextmanager
def _session(gateway, **start):
    with connect(gateway.session_url) as socket:

        def ask(**frame):
            socket.send(json.dumps(frame))
            return json.loads(socket.recv(timeout=20))

        yield ask(type="start", **start), ask


def _call(turn, notes=PLAYED, **fields):
    return {"type": "call", "turn": turn, "bars": 1, "answer_bars": 1, "notes": notes, **fields}


def _figure(gateway, outcome):
    row = f'kakeai_recordings_total{{outcome="{outcome}"}} '
    rows = [line for line in gateway.client.get("/metrics").text.splitlines() if line.startswith(row)]
    return float(rows[0].removeprefix(row)) if rows else 0


def _until(holds):
    while not holds():  # the test's own limit ends this
        pass


def _notes(midi):
    [track] = pretty_midi.PrettyMIDI(io.BytesIO(midi)).instruments
    assert track.name == "player"
    return [
        (note.pitch, round(note.start, 2), round(note.end, 2), note.velocity)
        for note in sorted(track.notes, key=lambda note: note.start)
    ]


def test_a_session_becomes_a_corpus_of_the_players_phrases_alone(start_gateway, tmp_path):
    gateway = start_gateway(collect=str(tmp_path / "given"))
    with _session(gateway) as (ready, ask):
        assert ready["collects"] is True
        heard = ask(**_call(0, keep=True))
        assert heard["notes"]  # this model plays what it hears, so its answers would show
        ask(**_call(1, [{**PLAYED[0], "pitch": 40}]))  # not given
        ask(**_call(2, [{**PLAYED[0], "pitch": 72}], keep=True))
    _until(lambda: _figure(gateway, "kept"))
    [file] = (tmp_path / "given").rglob("*.mid")
    bar = 2.0
    assert _notes(file.read_bytes()) == [(60, 0, 0.5, 90), (64, 1, 1.5, 70), (72, 4 * bar, 4 * bar + 0.5, 90)]
    assert ready["session"] not in str(file)
    assert b"127.0.0.1" not in file.read_bytes()

    assert ingest(str(tmp_path / "given"), tmp_path / "note_sequences").num_files == 1
    [shard] = (tmp_path / "note_sequences").glob("*.tfrecord")
    import tensorflow as tf

    [record] = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    sequence = note_seq.NoteSequence.FromString(record)
    assert [note.pitch for note in sequence.notes] == [60, 64, 72]


def test_without_a_word_nothing_is_kept(start_gateway, gateway, tmp_path):
    collecting = start_gateway(collect=str(tmp_path))
    with _session(collecting) as (_, ask):
        ask(**_call(0))
        ask(**_call(1, keep=True))
        ask(**_call(1))  # taken back
    with _session(collecting) as (_, ask):
        ask(**_call(0, [], keep=True))
    with _session(gateway) as (ready, ask):
        assert ready["collects"] is False
        assert ask(**_call(0, keep=True))["type"] == "answer"
    with _session(collecting) as (_, ask):  # what comes last shows that the others are done with
        ask(**_call(0, keep=True))
    _until(lambda: _figure(collecting, "kept"))
    assert len(list(tmp_path.rglob("*.mid"))) == 1


def test_one_client_cannot_fill_the_day_nor_all_the_disk(start_gateway, tmp_path):
    gateway = start_gateway(
        collect=str(tmp_path), collect_per_client=1, collect_per_day=2, trusted_proxies=["127.0.0.1"]
    )
    for number, address in enumerate(("203.0.113.5", "203.0.113.5", "203.0.113.6", "203.0.113.7"), start=1):
        with connect(gateway.session_url, additional_headers={"X-Forwarded-For": address}) as socket:
            for frame in ({"type": "start"}, _call(0, keep=True)):
                socket.send(json.dumps(frame))
                socket.recv(timeout=20)
        _until(lambda number=number: _figure(gateway, "kept") + _figure(gateway, "left out") == number)
    assert (_figure(gateway, "kept"), _figure(gateway, "left out")) == (2, 2)
    assert len(list(tmp_path.rglob("*.mid"))) == 2


def test_into_a_bucket_by_the_real_client_and_no_answer_waits_for_it(start_gateway, bucket):
    place = bucket.folder()
    gateway = start_gateway(collect=place)

    def play():
        with _session(gateway) as (_, ask):
            assert ask(**_call(0, keep=True))["type"] == "answer"

    play()
    _until(lambda: _figure(gateway, "kept"))
    [name] = bucket.names(place)
    assert _notes(bucket.read(f"{place}/{name}")) == [(60, 0, 0.5, 90), (64, 1, 1.5, 70)]
    with bucket.answering(lambda call: 403):
        play()
        _until(lambda: _figure(gateway, "failed"))
    assert bucket.names(place) == [name]
    play()
    _until(lambda: _figure(gateway, "kept") == 2)


def test_what_cannot_be_written_is_left_whole_or_not_at_all(start_gateway, tmp_path):
    (tmp_path / "given").write_text("a file is no folder")
    gateway = start_gateway(collect=str(tmp_path / "given"))
    with _session(gateway) as (_, ask):
        assert ask(**_call(0, keep=True))["type"] == "answer"
    _until(lambda: _figure(gateway, "failed"))
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize(("qpm", "beats_per_bar"), [(120, 4), (90, 3)])
def test_a_turn_keeps_its_place_in_the_bar_whatever_the_tempo_does(qpm, beats_per_bar):
    recording = Recording(qpm, beats_per_bar)
    beat = 60 / qpm
    one = [{"pitch": 60, "start": beat, "end": 2 * beat}]
    recording.play(0, note_columns(_valid(one)), qpm, 1, 1, keep=True)
    twice_as_fast = [{"pitch": 62, "start": beat / 2, "end": beat}]
    recording.play(1, note_columns(_valid(twice_as_fast)), 2 * qpm, 1, 1, keep=True)
    starts = [start for _, start, _, _ in _notes(recording.midi())]
    assert starts == pytest.approx([beat, (1 + 2 * beats_per_bar) * beat], abs=0.02)
    metre = pretty_midi.PrettyMIDI(io.BytesIO(recording.midi())).time_signature_changes[0]
    assert (metre.numerator, metre.denominator) == (beats_per_bar, 4)


def test_a_recording_has_an_end():
    endless = Recording(120, 4)
    for turn in range(MAX_TURNS + 50):
        endless.play(turn, note_columns(_valid(PLAYED[:1])), 120, 1, 1, keep=True)
    assert len(_notes(endless.midi())) == MAX_TURNS
    dense = Recording(120, 4)
    full = note_columns(_valid([{"pitch": 60, "start": n / 40, "end": n / 40 + 0.01} for n in range(4000)]))
    for turn in range(5):
        dense.play(turn, full, 120, 64, 1, keep=True)
    assert len(_notes(dense.midi())) == MAX_NOTES // 4000 * 4000


def _valid(notes):
    return [Note(**note) for note in notes]
