"""The configurations that can be trained, and their hyperparameters: one row of `CONFIGS` each.

Magenta's MelodyRNN family has the values of Magenta 2.1.4, `magenta/models/melody_rnn/melody_rnn_model.py`.
"""

import dataclasses
import re
from dataclasses import dataclass, fields, replace

from kakeai.errors import KakeaiError


@dataclass(frozen=True)
class HParams:
    """What can be tuned without changing the encoding.

    Attributes:
        batch_size: Melodies per training step.
        rnn_layer_sizes: Units of each LSTM layer, from the input upwards.
        dropout_keep_prob: Share of each layer's outputs that is kept in training, in (0, 1].
        attn_length: Steps that the attention of the first layer looks back on; 0 for none.
        clip_norm: Largest L2 norm of each single gradient.
        learning_rate: Adam's step size.
    """

    batch_size: int = 128
    rnn_layer_sizes: tuple[int, ...] = (128, 128)
    dropout_keep_prob: float = 0.5
    attn_length: int = 0
    clip_norm: float = 5.0
    learning_rate: float = 0.001

    def __post_init__(self) -> None:
        """Refuse values that no network can be built or trained with."""
        positive = {
            "batch_size": self.batch_size,
            "clip_norm": self.clip_norm,
            "learning_rate": self.learning_rate,
            **{f"rnn_layer_sizes[{i}]": size for i, size in enumerate(self.rnn_layer_sizes)},
        }
        for name, value in positive.items():
            if not value > 0:
                raise KakeaiError(f"hparam {name} must be greater than 0, not {value}")
        if not self.rnn_layer_sizes:
            raise KakeaiError("hparam rnn_layer_sizes needs at least one layer, such as [64,64]")
        if not 0 < self.dropout_keep_prob <= 1:
            raise KakeaiError(f"hparam dropout_keep_prob must be in (0, 1], not {self.dropout_keep_prob}")
        if self.attn_length < 0:
            raise KakeaiError(f"hparam attn_length must be 0 or more, not {self.attn_length}")

    def parse(self, text: str) -> "HParams":
        """Return these hyperparameters with those named in `text` changed.

        Args:
            text: Magenta's syntax, for example `batch_size=64,rnn_layer_sizes=[64,64]`; may be empty.

        Raises:
            KakeaiError: An unknown name, a value of the wrong type, or no `name=value` at all.
        """
        changes: dict[str, int | float | tuple[int, ...]] = {}
        for assignment in re.split(r",(?![^\[]*\])", text):
            if not assignment.strip():
                continue
            name, equals, value = (part.strip() for part in assignment.partition("="))
            known = {field.name: getattr(self, field.name) for field in fields(self)}
            if not equals or name not in known:
                raise KakeaiError(f"unknown hparam {assignment.strip()!r}; known are {', '.join(known)}")
            changes[name] = _parse_value(name, value, known[name])
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        """Magenta's syntax, all values named; `parse` reads it back."""
        values = dataclasses.asdict(self)
        values["rnn_layer_sizes"] = "[" + ",".join(map(str, self.rnn_layer_sizes)) + "]"
        return ",".join(f"{name}={value}" for name, value in values.items())


def _parse_value(
    name: str, text: str, example: int | float | tuple[int, ...]
) -> int | float | tuple[int, ...]:
    try:
        if isinstance(example, tuple):
            inner = text.removeprefix("[").removesuffix("]")
            return tuple(int(size) for size in inner.split(",") if size.strip())
        return type(example)(text)
    except ValueError:
        kind = {int: "a whole number", float: "a number", tuple: "a list such as [64,64]"}[type(example)]
        raise KakeaiError(f"hparam {name} must be {kind}, not {text!r}") from None


@dataclass(frozen=True)
class Config:
    """One member of the MelodyRNN family.

    Attributes:
        name: What it is called everywhere, and its bundles' generator id.
        description: What its bundles say of it.
        encoding: Which of the encodings of `kakeai.model.encodings.whole_melodies`: `one_hot`, `lookback` or `key`.
        min_note: Lowest MIDI pitch the model knows.
        max_note: One above the highest.
        transpose_to_key: Pitch class that melodies are transposed to (0 for C), None to leave them.
        steps_per_bar: Sixteenths of the bar that lookbacks count in, 16 for 4/4 as in all of Magenta's.
        attention_around_all: Whether attention is around all layers together, as in Magenta's first models, and
            not around the first alone. Such a model is read and played, and not trained.
        hparams: The hyperparameters.
    """

    name: str
    description: str
    encoding: str
    min_note: int = 48
    max_note: int = 84
    transpose_to_key: int | None = 0
    steps_per_bar: int = 16
    attention_around_all: bool = False
    hparams: HParams = HParams()


CONFIGS: dict[str, Config] = {
    config.name: config
    for config in (
        Config("basic_rnn", "Melody RNN with one-hot encoding.", "one_hot"),
        Config(
            "mono_rnn",
            "Monophonic RNN with one-hot encoding.",
            "one_hot",
            min_note=0,
            max_note=128,
            transpose_to_key=None,
        ),
        Config("lookback_rnn", "Melody RNN with lookback encoding.", "lookback"),
        Config(
            "attention_rnn",
            "Melody RNN with lookback encoding and attention.",
            "key",
            hparams=HParams(attn_length=40, clip_norm=3.0),
        ),
    )
}


def config_named(name: str, hparams: str = "") -> Config:
    """Return the configuration `name`, its hyperparameters changed by `hparams` (Magenta's syntax).

    Raises:
        KakeaiError: No such configuration, or a bad hyperparameter.
    """
    if name not in CONFIGS:
        raise KakeaiError(f"unknown config {name!r}; choose one of {', '.join(CONFIGS)}")
    config = CONFIGS[name]
    return replace(config, hparams=config.hparams.parse(hparams))
