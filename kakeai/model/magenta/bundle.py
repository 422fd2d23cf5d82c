"""Weights ⇄ Magenta's bundles (`.mag`).

Kakeai reads the weights of a bundle only: the graph inside is a stranger's program, and is never run.
"""

import tempfile
from pathlib import Path

from google.protobuf.message import DecodeError

from kakeai.errors import KakeaiError
from kakeai.extras import is_installed
from kakeai.local_files import read_file
from kakeai.model.configs import config_named
from kakeai.model.magenta.checkpoint_v1 import read_weights
from kakeai.model.magenta.model import attn_length_in_graph, model_of
from kakeai.model.magenta.weights import magenta_weights
from kakeai.model.magenta.written_by_magenta import bundle_by_magenta
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.protos.kakeai.formats_pb2 import GeneratorBundle, GeneratorDetails
from kakeai.storage import write_whole

LARGEST_BUNDLE = 2**28  # bytes; the published ones have up to 20 MB
LARGEST_HPARAMS = 2**16  # bytes of NAME.hparams; Kakeai writes a few hundred


def write_bundle(model: MelodyRnn, path: Path, description: str) -> None:
    """Write `path` (NAME.mag), and NAME.hparams beside it (config, tab, hparams).

    Magenta's own programs open the bundle if Magenta is installed here. If it is not, the bundle holds the weights
    alone: Kakeai reads it, and Magenta's programs do not.
    """
    content = bundle_by_magenta(model, description) if is_installed("magenta") else _weights_alone(model)
    write_whole(path.with_suffix(".hparams"), f"{model.config.name}\t{model.config.hparams}\n".encode())
    write_whole(path, content)


def _weights_alone(model: MelodyRnn) -> bytes:
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]

    weights = magenta_weights(model)
    with tempfile.TemporaryDirectory() as folder, tf1.Graph().as_default(), tf1.Session() as session:
        for name, values in weights.items():
            tf1.Variable(values, name=name)
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(write_version=tf1.train.SaverDef.V1)
        checkpoint = Path(saver.save(session, str(Path(folder, "model.ckpt")), write_meta_graph=False))
        return GeneratorBundle(
            generator_details=GeneratorDetails(id=model.config.name),
            checkpoint_file=[checkpoint.read_bytes()],
        ).SerializeToString()


def read_bundle(path: Path, config: str = "", hparams: str = "") -> MelodyRnn:
    """Return the model of a bundle, Magenta's or ours, of any of Magenta's times.

    Layer sizes come from the weights. How far attention looks back is no weight: it is read from the bundle's graph
    as from any other data, else from NAME.hparams beside the bundle, else it is the configuration's.

    Args:
        path: The `.mag` file.
        config: What it is to be read as; by default what it says, or what its weights look like.
        hparams: Changes to what is known of its hyperparameters, in Magenta's syntax.

    Raises:
        KakeaiError: No bundle, one of another family, or weights that do not fit together.
    """
    bundle = _parse(path)
    try:
        weights = read_weights(bundle.checkpoint_file[0])
    except ValueError as error:
        raise KakeaiError(f"the weights in {path} cannot be read: {error}") from None
    name = bundle.generator_details.id
    beside = _hparams_beside(path.with_suffix(".hparams"), name)
    in_graph = attn_length_in_graph(bundle.metagraph_file)
    told = [beside, f"attn_length={in_graph}" if in_graph else "", hparams]  # the last word counts
    return model_of(path, weights, name, config, ",".join(told))


def _parse(path: Path) -> GeneratorBundle:
    if not path.is_file():
        raise KakeaiError(f"there is no bundle {path}; give the path of a .mag file")
    try:
        content = read_file(path, LARGEST_BUNDLE)
    except OSError as error:
        raise KakeaiError(f"the bundle {path} cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST_BUNDLE:
        raise KakeaiError(f"{path} is larger than {LARGEST_BUNDLE >> 20} MB: no MelodyRNN bundle")
    try:
        bundle = GeneratorBundle.FromString(content)
    except DecodeError:
        raise KakeaiError(f"{path} is not a Magenta bundle (.mag)") from None
    if len(bundle.checkpoint_file) != 1:
        raise KakeaiError(f"{path} is not a Magenta bundle: it holds no weights")
    return bundle


def _hparams_beside(path: Path, name: str) -> str:
    """Return the hyperparameters that NAME.hparams gives for the model `name`, empty if it gives none."""
    if not path.is_file():
        return ""
    try:
        line = read_file(path, LARGEST_HPARAMS).decode(errors="replace")
        config, _, hparams = line.strip().partition("\t")
        config_named(config, hparams)
    except (OSError, KakeaiError) as error:
        raise KakeaiError(f"{path} cannot be used: {error}") from None
    return hparams if config == name else ""
