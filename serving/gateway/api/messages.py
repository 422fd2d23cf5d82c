"""The JSON that goes over the wire: requests and responses. A session's frames stand in ``frames``.

All times are seconds. Types are strict and unknown fields are errors, so that a misspelt option is not
silently ignored; numbers are finite.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kakeai.music.melody import MAX_PITCH, MIN_PITCH, NO_EVENT, STEPS_PER_QUARTER
from kakeai.music.score import make_notes

MAX_PHRASE_SECONDS = 3600.0  # an hour: far beyond any phrase
MAX_PHRASE_STEPS = 8192  # sixteenths: sixteen times what a model hears of them
MAX_JSON_INTEGER = 2**53 - 1  # the largest that every JSON reader keeps exactly
MAX_SEED = MAX_JSON_INTEGER
MIN_QPM, MAX_QPM = 10.0, 500.0  # quarter notes a minute: slower and faster than metronomes go
MAX_BEATS_PER_BAR = 16
MAX_BARS = 64
MAX_VARIATIONS = 16  # rows of one batch; TF Serving's batches are of this order
DEFAULT_VELOCITY = 100
DEFAULT_BARS = 2

Qpm = Annotated[float, Field(ge=MIN_QPM, le=MAX_QPM, description="Tempo in quarter notes a minute.")]
BeatsPerBar = Annotated[int, Field(ge=1, le=MAX_BEATS_PER_BAR, description="Quarter notes in a bar.")]
Bars = Annotated[int, Field(ge=1, le=MAX_BARS)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, description="The same seed gives the same notes again.")]
# Below a thousandth the logits overflow float32; above ten everything is equally likely anyway.
Temperature = Annotated[float, Field(ge=0.001, le=10.0, description="1 plays as trained; lower is safer.")]
# A model's name is a folder of the store and part of a TF Serving request: no path can hide in it.
ModelName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$", description="A served model.")
]
Version = Annotated[int, Field(ge=0, le=MAX_JSON_INTEGER, description="A served version of the model.")]
Dynamics = Annotated[
    Literal["follow", "flat"],
    Field(
        description="`follow` gives the answer the contour of the player's own velocities and micro-timing; "
        "`flat` their mean velocity, on the grid."
    ),
]
Event = Annotated[int, Field(ge=NO_EVENT, le=MAX_PITCH)]


class Message(BaseModel):
    """Base of everything on the wire."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Note(Message):
    """One note of a phrase; times in seconds from the phrase's start."""

    pitch: int = Field(ge=MIN_PITCH, le=MAX_PITCH)
    start: float = Field(ge=0, le=MAX_PHRASE_SECONDS)
    end: float = Field(gt=0, le=MAX_PHRASE_SECONDS)
    velocity: int = Field(default=DEFAULT_VELOCITY, ge=1, le=127)

    @field_validator("end")
    @classmethod
    def _ends_after_its_start(cls, end: float, info: ValidationInfo) -> float:
        if end <= info.data.get("start", 0.0):
            raise ValueError("should be after the note's start")
        return end


Notes = Annotated[list[Note], Field(fail_fast=True)]  # a million faults take no longer to find than one
_notes = TypeAdapter(list[Note])  # all at once: a tenth of an answer's time goes if each is made by itself


class GenerateOptions(Message):
    """What `/v1/generate` takes beside the phrase."""

    qpm: Qpm = 120.0
    beats_per_bar: BeatsPerBar = 4
    primer_steps: int | None = Field(
        default=None,
        ge=1,
        description="Length of the phrase in sixteenths; by default its last note's end, up to the beat.",
    )
    steps: int | None = Field(
        default=None, ge=1, description="Length of the answer in sixteenths; two bars by default."
    )
    seconds: float | None = Field(
        default=None, gt=0, le=MAX_PHRASE_SECONDS, description="Length of the answer in seconds instead."
    )
    bars: Bars | None = Field(default=None, description="Length of the answer in bars instead.")
    temperature: Temperature = 1.0
    seed: Seed | None = None
    variations: int = Field(default=1, ge=1, le=MAX_VARIATIONS, description="Answers to give.")
    dynamics: Dynamics = "follow"
    model: ModelName | None = None
    version: Version | None = Field(default=None, description="The newest version by default.")

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if sum(length is not None for length in (self.steps, self.seconds, self.bars)) > 1:
            raise ValueError("should have one of steps, seconds and bars")
        return self

    @property
    def answer_steps(self) -> int:
        """Length of the answer in sixteenths; 0 if it is asked for in fewer seconds than one of them lasts."""
        if self.steps is not None:
            return self.steps
        if self.seconds is not None:
            return round(self.seconds * self.qpm / 60.0 * STEPS_PER_QUARTER)
        return (self.bars or DEFAULT_BARS) * self.beats_per_bar * STEPS_PER_QUARTER


class GenerateRequest(GenerateOptions):
    """A phrase to answer: `notes`, or a `melody` in events."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["notes"]}, {"required": ["melody"]}]}
    )

    notes: Notes | None = None
    melody: list[Event] | None = Field(
        fail_fast=True,
        default=None,
        description="One event a sixteenth: 0..127 begins a note, -1 ends it, -2 goes on with what is.",
    )

    @model_validator(mode="after")
    def _one_phrase(self) -> Self:
        if (self.notes is None) == (self.melody is None):
            raise ValueError("should have either notes or a melody")
        return self


class Take(Message):
    """All settings of an answer: sent as options with the same phrase, they give the same notes again."""

    model: str
    version: int
    seed: int
    temperature: float
    steps: int
    qpm: float
    primer_steps: int
    dynamics: Dynamics


class Variation(Message):
    """One answer; times in seconds from its own start."""

    notes: list[Note]
    melody: list[int] = Field(description="The same as the model played it: one event a sixteenth.")
    log_likelihood: float = Field(description="Natural logarithm of the melody's probability, as trained.")
    take: Take


class GenerateResponse(Message):
    """The answers to a phrase."""

    qpm: float
    polyphonic: bool = Field(
        description="Whether the phrase had several voices at once; if so, the model heard the top one."
    )
    answers: list[Variation]


class Problem(Message):
    """Problem details (RFC 9457), with the field at fault where there is one."""

    title: str
    status: int
    detail: str
    field: str | None = None


class ModelVersion(Message):
    """A version of a model as the model server sees it; state is TF Serving's own word, such as AVAILABLE."""

    version: int
    state: str


class Model(Message):
    """A model with its versions and the card of the one that answers."""

    name: str
    default: bool
    versions: list[ModelVersion]
    card: dict[str, Any] | None


class Models(Message):
    """The served models."""

    models: list[Model]


def note_columns(notes: list[Note]) -> np.ndarray:
    """Notes as ``kakeai.music.score.NOTE`` columns."""
    return make_notes((note.pitch, note.velocity, note.start, note.end) for note in notes)


def note_list(columns: np.ndarray) -> list[Note]:
    """``kakeai.music.score.NOTE`` columns as notes."""
    names = ("pitch", "start", "end", "velocity")
    return _notes.validate_python([dict(zip(names, row, strict=True)) for row in columns[[*names]].tolist()])
