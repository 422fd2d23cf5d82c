"""Where a training can begin instead of at random: a bundle on this machine, in a bucket, or in a model store."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kakeai.errors import KakeaiError
from kakeai.storage import bring, location

if TYPE_CHECKING:
    from cloudpathlib import GSPath

    from kakeai.model.network.melody_rnn import MelodyRnn


CHAMPION = "champion"  # as a place to begin from: the newest version of the same model


def read_start(place: str, config: str | None, hparams: str) -> "tuple[MelodyRnn, str]":
    """Return the model of a bundle, and the bundle's SHA-256.

    Args:
        place: A `.mag` file, or a version's folder in a model store; local or gs://.
        config: Name of the configuration that is asked for, None for the bundle's.
        hparams: Changes to the bundle's hyperparameters that are asked for, in Magenta's syntax.

    Raises:
        KakeaiError: There is no such bundle, one that is only played, or what is asked for is of another architecture.
    """
    from kakeai.model.magenta.bundle import read_bundle

    with _on_this_machine(bundle_at(place)) as path:
        model = read_bundle(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if config and config != model.config.name:
        raise KakeaiError(f"{place} holds a {model.config.name} model, not {config}; leave --config out")
    if model.config.attention_around_all:
        raise KakeaiError(
            f"{place} has attention around all of its layers, as Magenta's first models had: it can be played, "
            "but no training can begin with it"
        )
    asked = model.config.hparams.parse(hparams)
    for name in ("rnn_layer_sizes", "attn_length"):
        own, other = getattr(model.config.hparams, name), getattr(asked, name)
        if own != other:
            own, other = (list(v) if isinstance(v, tuple) else v for v in (own, other))
            raise KakeaiError(f"{place} has {name} {own}, not {other}; leave {name} out of --hparams")
    return model, digest


def start_of(warm_start: str, store: str, model: str, champion: int) -> tuple[str, str]:
    """Return the place to begin from, and what changes when its bundle does.

    Args:
        warm_start: A place, `champion` for that version in the store, or empty for none.
        store: The model store.
        model: The model's name in it.
        champion: Its newest version; 0 for none, with which a first model begins at random.

    Raises:
        KakeaiError: There is no such bundle.
    """
    if warm_start == CHAMPION:
        place = f"{store}/{model}/{champion}" if champion else ""
        return place, place  # a version is never changed
    digest = hashlib.sha256(bundle_at(warm_start).read_bytes()).hexdigest() if warm_start else ""
    return warm_start, digest


def bundle_at(place: str) -> "Path | GSPath":
    """Return the bundle's file: `place`, or the only one in that folder or in its assets.extra.

    Raises:
        KakeaiError: There is none, or there are several.
    """
    path = location(place)
    if path.suffix == ".mag" and path.is_file():
        return path
    found = [*path.glob("*.mag"), *path.glob("assets.extra/*.mag")] if path.is_dir() else []
    if len(found) != 1:
        many = "more than one" if found else "no"
        raise KakeaiError(
            f"there is {many} bundle {place}; give a .mag file, or a version's folder in a store"
        )
    return found[0]


@contextmanager
def _on_this_machine(bundle: "Path | GSPath") -> Iterator[Path]:
    # With NAME.hparams beside it, if there is one.
    with tempfile.TemporaryDirectory() as folder:
        with suppress(FileNotFoundError):
            bring(bundle.with_suffix(".hparams"), Path(folder))
        yield bring(bundle, Path(folder))
