"""Examples for OpenAPI: each works when it is pasted (the tests post them)."""

from typing import Any

_TWO_BARS = [
    {"pitch": 60, "start": 0.0, "end": 0.5, "velocity": 96},
    {"pitch": 62, "start": 0.5, "end": 1.0, "velocity": 80},
    {"pitch": 64, "start": 1.0, "end": 1.5, "velocity": 90},
    {"pitch": 67, "start": 1.5, "end": 2.0, "velocity": 84},
    {"pitch": 69, "start": 2.0, "end": 3.0, "velocity": 100},
    {"pitch": 67, "start": 3.0, "end": 3.9, "velocity": 76},
]

GENERATE: dict[str, Any] = {
    "phrase": {
        "summary": "Two bars in, two bars out",
        "value": {"notes": _TWO_BARS, "qpm": 120, "bars": 2},
    },
    "variations": {
        "summary": "Four answers to choose from, adventurous ones",
        "value": {"notes": _TWO_BARS, "qpm": 120, "steps": 16, "variations": 4, "temperature": 1.2},
    },
    "events": {
        "summary": "A phrase in events, eight seconds to answer it, always the same way",
        "value": {
            "melody": [60, -2, 62, -2, 64, -2, 67, -2, 69, -2, -2, -2, 67, -2, -1, -2],
            "qpm": 90,
            "seconds": 8,
            "seed": 7,
            "dynamics": "flat",
        },
    },
}
