"""Every setting of the gateway, with its unit and its default: read once, from the environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kakeai.errors import KakeaiError

_PREFIX = "KAKEAI_"
_PAGE = Path(__file__).parents[1] / "web" / "dist"

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Network = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+(/\d+)?$")]
_Origin = Annotated[str, Field(pattern=r"^(https?://[^/\s]+|\*)$")]


def _words(value: object) -> object:
    return tuple(filter(None, value.replace(",", " ").split())) if isinstance(value, str) else value


_List = (NoDecode, BeforeValidator(_words))  # several in one variable, with commas or blanks between them


class Settings(BaseSettings):
    """The gateway's settings. Each is the environment variable ``KAKEAI_`` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every network.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of its own for operators: /readyz and /metrics move to it, and /docs and /openapi.json "
        "are there without a token; none: all are on KAKEAI_PORT.",
    )
    page: Path = Field(default=_PAGE, description="Folder of the built session page.")

    model_server: str = Field(
        default="127.0.0.1:8500", description="Address of the model server's gRPC, HOST:PORT."
    )
    model: str = Field(default="kakeai", description="Model that answers when a request names none.")
    store: str | None = Field(
        default=None,
        description="Model store (folder or gs:// bucket), read for the models' cards; none: no cards.",
    )

    collect: str | None = Field(
        default=None,
        description="Folder or gs:// address where what players agree to give is written as MIDI; none: nothing is "
        "ever kept.",
    )
    collect_per_day: _Count = Field(
        default=1000, description="Sessions that this gateway writes there in a day, at most."
    )
    collect_per_client: _Count = Field(default=20, description="Sessions of one client among them, at most.")

    canary_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of sessions that play with the version labelled canary, the others with stable; "
        "0: labels are not used.",
    )

    predict_seconds: _Seconds = Field(default=10.0, description="Seconds to wait for the model's answer.")
    hedge_seconds: _Seconds | None = Field(
        default=None,
        description="Seconds after which an answer is asked for a second time; none: never.",
    )
    status_seconds: _Seconds = Field(default=2.0, description="Seconds to wait for a model's status or card.")
    release_seconds: _Seconds = Field(
        default=5.0, description="Seconds after which a session's gateway looks for a newer version again."
    )
    request_seconds: _Seconds = Field(
        default=10.0, description="Seconds within which a request's head must arrive, and then its body."
    )
    send_seconds: _Seconds = Field(
        default=20.0, description="Seconds that a client may let what was sent to it lie; Linux only."
    )
    session_idle_seconds: _Seconds = Field(
        default=1800.0,
        description="Seconds without a frame after which a session is closed; it can be resumed.",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds between the signal to stop, when /readyz turns false, and closing the port.",
    )
    shutdown_seconds: _Count = Field(default=20, description="Seconds that answers under way get to end.")

    max_body_bytes: _Count = Field(
        default=1 << 20, description="Bytes that a body or a session's frame may have."
    )
    max_notes: _Count = Field(
        default=4096,
        description="Notes that a phrase may have, and half of those that a session's history may have in all.",
    )
    max_steps: _Count = Field(default=512, description="Steps (sixteenths) that an answer may have.")
    max_answers: _Count = Field(
        default=64, description="Answers under way at once, at most; beyond it the gateway says 503."
    )
    late_seconds: _Seconds = Field(
        default=0.1,  # a sixteenth at 120 quarter notes a minute, less a fifth of it for the way there and back
        description="Seconds after which an answer of up to four bars is late, a longer one in proportion; while "
        "one in ten is late, fewer are let in at once.",
    )
    keep_alive_seconds: _Count = Field(
        default=75,
        description="Seconds that a connection without a request stays open; a load balancer in front must close "
        "its own sooner, or it will send requests to closed ones.",
    )
    max_sessions: _Count = Field(
        default=1000, description="Sessions open at once; beyond it the gateway says 503."
    )
    max_client_answers: _Count | None = Field(
        default=None, description="Answers under way at once for one client; beyond it the gateway says 429."
    )
    max_client_sessions: _Count | None = Field(
        default=None, description="Sessions open at once for one client; beyond it the gateway says 429."
    )
    trusted_proxies: Annotated[tuple[_Network, ...], *_List] = Field(
        default=(), description="Addresses or networks whose X-Forwarded-For tells the client's address."
    )
    tokens: Annotated[tuple[_Sha256, ...], *_List] = Field(
        default=(),
        description="SHA-256 of each bearer token that is accepted; every route wants one then, but for the page, "
        "/healthz, /readyz and KAKEAI_OPERATIONS_PORT; none: all routes are open. "
        "`python -m serving.gateway --new-token` makes one.",
    )
    origins: Annotated[tuple[_Origin, ...], *_List] = Field(
        default=(),
        description="Origins besides its own whose pages may use the gateway, such as https://example.org; "
        "* for all.",
    )

    traces: str | None = Field(
        default=None,
        pattern="^https?://",
        description="OpenTelemetry collector that traces go to (OTLP over gRPC), such as "
        "http://collector:4317; none: no traces.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level logged."
    )
    log_json: bool = Field(default=False, description="One JSON object a line instead of plain text.")
    log_requests: bool = Field(default=False, description="Log one line for each request.")

    @property
    def listens_everywhere(self) -> bool:
        """Whether the address stands for every network of the machine."""
        return self.host in {"0.0.0.0", "::", ""}


def settings_from_environment() -> Settings:
    """The settings in the environment. Raises KakeaiError naming the first variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = variable(str(first["loc"][0]))
        raise KakeaiError(f"{name} is {first['input']!r}: {first['msg'].removeprefix('Input ')}.") from None


def variable(name: str) -> str:
    """The environment variable of the setting ``name``."""
    return _PREFIX + name.upper()


def settings_help() -> str:
    """A table of all settings: variable, default, meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f" [{field.default}]"
        rows.append(f"  {variable(name)}{default}\n      {field.description}")
    return "\n".join(rows)
