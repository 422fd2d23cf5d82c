"""What the tests of /v1/generate ask, and how."""

from kakeai.music.midi import Track, write_midi
from kakeai.music.score import make_notes

QUARTERS = [
    {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 60},
    {"pitch": 64, "start": 0.5, "end": 1.0, "velocity": 80},
]
PRIMER = [60, -2, -2, -2, 64, -2, -2, -2]
MIDI = write_midi(
    [
        Track("melody", make_notes([(60, 60, 0.0, 0.75), (64, 80, 0.75, 1.5)])),
        Track("bass", make_notes([(36, 100, 0.0, 0.75)])),
    ],
    qpm=80.0,
)


def generate(gateway, **body):
    """Answer to the quarters, with options."""
    return gateway.client.post("/v1/generate", json={"notes": QUARTERS, **body})


def take_of(response):
    """The take of its first answer."""
    return response.json()["answers"][0]["take"]
