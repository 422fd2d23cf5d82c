"""The JSON that goes over the wire: requests, responses and the frames of a session.

All times are seconds. Types are strict and unknown fields are errors, so that a misspelt option is not
silently ignored; numbers are finite.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationInfo, field_validator

from kakeai.music.melody import MAX_PITCH, MIN_PITCH, STEPS_PER_QUARTER
from kakeai.music.score import make_notes

MAX_PHRASE_SECONDS = 3600.0  # an hour: far beyond any phrase, and few enough steps to hold in memory
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
MIN_QPM, MAX_QPM = 10.0, 500.0  # quarter notes a minute: slower and faster than metronomes go
MAX_BEATS_PER_BAR = 16
MAX_BARS = 64
DEFAULT_VELOCITY = 100

Qpm = Annotated[float, Field(ge=MIN_QPM, le=MAX_QPM, description="Tempo in quarter notes a minute.")]
Bars = Annotated[int, Field(ge=1, le=MAX_BARS)]
Steps = Annotated[int, Field(ge=1, description="Sixteenths to play.")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, description="The same seed gives the same notes again.")]
# Below a thousandth the logits overflow float32; above ten everything is equally likely anyway.
Temperature = Annotated[float, Field(ge=0.001, le=10.0, description="1 plays as trained; lower is safer.")]
# A model's name is a folder of the store and part of a TF Serving request: no path can hide in it.
ModelName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$", description="A served model.")
]


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


class GenerateOptions(Message):
    """What `/v1/generate` takes beside the notes."""

    qpm: Qpm = 120.0
    primer_steps: int | None = Field(
        default=None,
        ge=1,
        description="Length of the call in sixteenths; by default its last note's end, up to the beat.",
    )
    steps: Steps = 8 * STEPS_PER_QUARTER
    temperature: Temperature = 1.0
    seed: Seed | None = None
    model: ModelName | None = None


class GenerateRequest(GenerateOptions):
    """A phrase to answer."""

    notes: list[Note]


class Take(Message):
    """Everything needed to get the same answer again from the same phrase."""

    model: str
    version: int
    seed: int
    temperature: float
    steps: int


class GenerateResponse(Message):
    """The answer; times in seconds from its own start."""

    notes: list[Note]
    qpm: float
    log_likelihood: float
    take: Take


class Turn(Message):
    """A past turn of a session. ``qpm`` is the tempo it was played at, the session's own by default."""

    who: Literal["player", "kakeai"]
    bars: Bars
    notes: list[Note]
    qpm: Qpm | None = None


class Start(Message):
    """The client's first frame; with a history the session goes on where another one was cut off."""

    type: Literal["start"]
    model: ModelName | None = None
    qpm: Qpm = 120.0
    beats_per_bar: int = Field(default=4, ge=1, le=MAX_BEATS_PER_BAR)
    history: list[Turn] = []


class Call(Message):
    """The player's bars, to be answered by ``answer_bars`` bars."""

    type: Literal["call"]
    turn: int = Field(ge=0, le=MAX_SEED)
    bars: Bars
    answer_bars: Bars
    notes: list[Note]
    temperature: Temperature = 1.0
    seed: Seed | None = None


class Tempo(Message):
    """A new tempo, from the next turn on."""

    type: Literal["tempo"]
    qpm: Qpm


ClientFrame = Annotated[Start | Call | Tempo, Discriminator("type")]
client_frame: TypeAdapter[Start | Call | Tempo] = TypeAdapter(ClientFrame)


class Ready(Message):
    """The session's model, once the client has started."""

    type: Literal["ready"] = "ready"
    model: str
    version: int
    card: dict[str, Any] | None


class Answer(Message):
    """Kakeai's bars; times in seconds from the answer's start."""

    type: Literal["answer"] = "answer"
    turn: int
    bars: int
    notes: list[Note]
    take: Take
    log_likelihood: float


class Problem(Message):
    """Problem details (RFC 9457), with the field at fault where there is one."""

    title: str
    status: int
    detail: str
    field: str | None = None


class ErrorFrame(Problem):
    """Problem details inside a session; the session goes on unless the socket closes."""

    type: Literal["error"] = "error"
    turn: int | None = None


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
    rows = columns[["pitch", "start", "end", "velocity"]].tolist()
    return [
        Note(pitch=pitch, start=start, end=end, velocity=velocity) for pitch, start, end, velocity in rows
    ]
