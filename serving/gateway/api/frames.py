"""The frames of a session, JSON text each. docs/session-protocol.md tells how they follow each other."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, TypeAdapter

from serving.gateway.api.messages import (
    MAX_JSON_INTEGER,
    MAX_PHRASE_SECONDS,
    Bars,
    BeatsPerBar,
    Dynamics,
    Message,
    ModelName,
    Note,
    Notes,
    Problem,
    Qpm,
    Seed,
    Take,
    Temperature,
    Version,
)

SessionId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The session's name, on whatever gateway.")
]


class Turn(Message):
    """A past turn of a session. ``qpm`` is the tempo it was played at, the session's own by default."""

    who: Literal["player", "kakeai"]
    bars: Bars
    notes: Notes
    qpm: Qpm | None = None


class Start(Message):
    """The client's first frame; with a history the session goes on where another one was cut off."""

    type: Literal["start"]
    session: SessionId | None = None
    model: ModelName | None = None
    version: Version | None = None
    qpm: Qpm = 120.0
    beats_per_bar: BeatsPerBar = 4
    history: list[Turn] = Field(
        default=[],
        fail_fast=True,
        description="The turns so far, oldest first; the last 512 sixteenths of them are heard.",
    )


class Call(Message):
    """The player's bars, to be answered by ``answer_bars`` bars."""

    type: Literal["call"]
    turn: int = Field(ge=0, le=MAX_JSON_INTEGER)
    bars: Bars
    answer_bars: Bars
    notes: Notes
    temperature: Temperature = 1.0
    seed: Seed | None = None
    dynamics: Dynamics = "follow"
    due: float | None = Field(
        default=None,
        ge=0,
        le=MAX_PHRASE_SECONDS,
        description="Seconds from now until the answer's turn begins, so that late answers can be counted.",
    )
    keep: bool = Field(
        default=False,
        description="The player agrees that these notes are kept for training, where the gateway keeps any.",
    )


class Tempo(Message):
    """A new tempo, from the next turn on."""

    type: Literal["tempo"]
    qpm: Qpm


class Adopt(Message):
    """Play on with another version, such as one that a ``release`` told of; a ``ready`` answers it."""

    type: Literal["adopt"]
    version: Version


ClientFrame = Start | Call | Tempo | Adopt
client_frame: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Discriminator("type")])


class Ready(Message):
    """The session's model and version, once the client has started and whenever version or card change."""

    type: Literal["ready"] = "ready"
    session: str
    model: str
    version: int
    card: dict[str, Any] | None
    collects: bool = Field(description="Whether this gateway keeps what players agree to have kept.")


class Answer(Message):
    """Kakeai's bars; times in seconds from the answer's start."""

    type: Literal["answer"] = "answer"
    turn: int
    bars: int
    notes: list[Note]
    take: Take
    log_likelihood: float
    polyphonic: bool


class Release(Message):
    """A newer version is served. The session stays with its own until the client adopts this one."""

    type: Literal["release"] = "release"
    version: int
    card: dict[str, Any] | None


class Move(Message):
    """This gateway is going: open the session on another one, with its history. The socket closes next."""

    type: Literal["move"] = "move"


class ErrorFrame(Problem):
    """Problem details inside a session; the session goes on unless the socket closes."""

    type: Literal["error"] = "error"
    turn: int | None = None


ServerFrame = Ready | Answer | Release | Move | ErrorFrame
