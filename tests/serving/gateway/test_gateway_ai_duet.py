"""The contract of magenta_session and AI Duet: its pure part against note-seq, and the route."""

import io
import json

import note_seq
import numpy as np
import pretty_midi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes
from serving.gateway.api.ai_duet import call_and_steps, midi_bytes
from serving.gateway.errors import InvalidRequest


def _midi(rows, qpm=120.0):
    return write_midi([Track("you", make_notes(rows))], qpm)


PHRASE = _midi([(60, 90, 0.0, 0.5), (64, 70, 0.5, 1.0)])


@given(st.floats(0.01, 20), st.floats(0.1, 30), st.floats(20, 240))
def test_the_answer_begins_and_ends_where_magentas_does(end, more, qpm):
    duration = end + more
    steps_per_second = note_seq.steps_per_quarter_to_steps_per_second(4, qpm)
    # server/predict.py of both projects, and melody_rnn_sequence_generator.py
    start_time = end + 60.0 / qpm / 4
    start = note_seq.quantize_to_step(start_time, steps_per_second, quantize_cutoff=0)
    stop = note_seq.quantize_to_step(duration, steps_per_second, quantize_cutoff=1.0)
    notes = make_notes([(60, 100, 0.0, end)])
    if stop <= start:
        with pytest.raises(InvalidRequest, match="duration"):
            call_and_steps(notes, qpm, duration)
        return
    call, steps = call_and_steps(notes, qpm, duration)
    # The two write the same product in another order; a time on a step's very edge may fall on either side.
    assert abs(call.size - start) <= (abs((start_time * steps_per_second) % 1.0 - 0.5) > 0.5 - 1e-6)
    assert abs(call.size + steps - stop) <= (abs((duration * steps_per_second) % 1.0 - 0.5) > 0.5 - 1e-6)


@given(st.binary(max_size=50))
def test_a_body_is_the_file_or_an_array_of_its_bytes(tail):
    midi = b"MThd" + tail
    assert midi_bytes(midi) == midi
    assert midi_bytes(json.dumps(list(midi)).encode()) == midi


@pytest.mark.parametrize("body", [b"", b"{}", b"[256]", b"[-1]", b"[1.5]", b'["a"]', b"[1", b"\xff\xfe"])
def test_a_body_that_is_neither(body):
    with pytest.raises(InvalidRequest, match="neither a MIDI file nor a JSON array"):
        midi_bytes(body)


@pytest.mark.parametrize("as_array", [True, False], ids=["as their pages post it", "as a file"])
def test_the_file_goes_on_to_the_duration(gateway, model, as_array):
    body = json.dumps(list(PHRASE)) if as_array else PHRASE
    headers = {"Content-Type": "text/plain;charset=UTF-8"} if as_array else {"Content-Type": "audio/midi"}
    response = gateway.client.post("/predict", params={"duration": 3}, content=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/midi"
    # One second is 8 steps, one more follows, and the reference begins on the step after that.
    assert model.asked[0].primer == [60, -2, -2, -2, 64, -2, -2, -2, -1, -2]
    assert model.asked[0].inputs["steps"].tolist() == [24 - 10]

    played = pretty_midi.PrettyMIDI(io.BytesIO(response.content))
    notes = [(n.pitch, n.velocity, n.start, n.end) for n in played.instruments[0].notes]
    call = [(60, 80, 0.0, 0.5), (64, 80, 0.5, 1.0)]
    answer = [(60, 80, 1.25, 1.75), (64, 80, 1.75, 2.25), (60, 80, 2.5, 3.0)]
    np.testing.assert_allclose(notes, call + answer, atol=1e-6)


def test_their_pages_find_the_notes_on_track_one(gateway):
    import mido

    response = gateway.client.post("/predict", params={"duration": 3}, content=PHRASE)
    tracks = mido.MidiFile(file=io.BytesIO(response.content)).tracks
    assert [any(message.type == "note_on" for message in track) for track in tracks] == [False, True]


def test_the_files_own_tempo_counts(gateway, model):
    phrase = _midi([(60, 90, 0.0, 1.0), (64, 70, 1.0, 2.0)], qpm=60.0)
    response = gateway.client.post("/predict", params={"duration": 6}, content=phrase)
    assert model.asked[0].primer == [60, -2, -2, -2, 64, -2, -2, -2, -1, -2]
    played = pretty_midi.PrettyMIDI(io.BytesIO(response.content))
    assert played.get_tempo_changes()[1].tolist() == [60.0]


def test_silence_is_answered_too(gateway, model):
    response = gateway.client.post("/predict", params={"duration": 2}, content=_midi([]))
    assert response.status_code == 200
    assert set(model.asked[0].primer) == {-2}


@pytest.mark.parametrize(
    ("query", "body", "field", "detail"),
    [
        ({}, PHRASE, "duration", "duration is missing"),
        ({"duration": "soon"}, PHRASE, "duration", "valid number"),
        ({"duration": "nan"}, PHRASE, "duration", "less than"),
        ({"duration": "inf"}, PHRASE, "duration", "less than"),
        ({"duration": -1}, PHRASE, "duration", "greater than 0"),
        ({"duration": 1}, PHRASE, "duration", "the phrase alone lasts 1 s"),
        ({"duration": 3000}, PHRASE, "duration", "an answer may have 1 to 512"),
        ({"duration": 3}, b"[1, 2, 3]", None, "no MIDI file"),
        ({"duration": 3}, b"RIFF", "body", "neither a MIDI file"),
        ({"duration": 3}, PHRASE[:-20], None, "cut short"),
        ({"duration": 3}, _midi([(60, 90, 0, 1)], qpm=6.0), "body", "6 quarter notes a minute"),
        ({"duration": 3}, _midi([(60, 90, 0, 4000)]), "body", "lasts 4000 s"),
    ],
    ids=[
        "no duration",
        "a word",
        "nan",
        "inf",
        "negative",
        "too short",
        "too long",
        "bytes of no MIDI",
        "neither",
        "cut short",
        "too slow to play",
        "an hour and more",
    ],
)
def test_bad_requests(gateway, model, query, body, field, detail):
    response = gateway.client.post("/predict", params=query, content=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.get("field") == field
    assert detail in problem["detail"]
    assert not model.asked
