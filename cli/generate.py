"""`kakeai generate`: melodies from a bundle or a training run, as MIDI files."""

import ast
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from cli.progress import console
from kakeai.errors import KakeaiError
from kakeai.music.melody import (
    MAX_PITCH,
    NO_EVENT,
    STEPS_PER_QUARTER,
    melody_from_notes,
    notes_from_melody,
)
from kakeai.music.midi import Track, read_midi, write_midi
from kakeai.storage import write_whole

if TYPE_CHECKING:
    from kakeai.model.network import MelodyRnn

DEFAULT_QPM = 120.0
DEFAULT_PRIMER = "[60]"  # Magenta's, middle C


def generate(
    bundle: Annotated[Path | None, typer.Option(help="A .mag bundle, Magenta's or ours.")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="A training run, instead of a bundle.")] = None,
    num_outputs: Annotated[int, typer.Option(help="How many melodies.", min=1)] = 10,
    num_steps: Annotated[int, typer.Option(help="16th notes of each, its primer counted in.", min=2)] = 128,
    primer_melody: Annotated[
        str, typer.Option(help="Events to begin with: pitches, -2 to hold, -1 for silence.")
    ] = "",
    primer_midi: Annotated[Path | None, typer.Option(help="MIDI file to begin with.")] = None,
    temperature: Annotated[float, typer.Option(help="Above 1 is wilder, below 1 is tamer.")] = 1.0,
    qpm: Annotated[
        float | None, typer.Option(help="Quarter notes a minute; the primer's, or 120, by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same melodies.")] = 0,
    output_dir: Annotated[Path, typer.Option(help="Folder for the MIDI files.")] = Path("generated"),
) -> None:
    """Continue a primer with a trained model and write MIDI files.

    Example: kakeai generate --bundle my_model --num-outputs 10 --num-steps 128 --primer-melody "[60]"
    """
    if temperature <= 0:
        raise KakeaiError(f"--temperature must be greater than 0, not {temperature}")
    if qpm is not None and qpm <= 0:
        raise KakeaiError(f"--qpm must be greater than 0, not {qpm}")
    if primer_melody and primer_midi:
        raise KakeaiError("give --primer-melody or --primer-midi, not both")
    if primer_midi:
        primer, own_qpm = read_primer_midi(primer_midi)
        qpm = qpm or own_qpm
    else:
        primer = parse_primer(primer_melody or DEFAULT_PRIMER)
    qpm = qpm or DEFAULT_QPM
    if len(primer) >= num_steps:
        raise KakeaiError(f"the primer has {len(primer)} steps; --num-steps counts it in and must be greater")
    model = _load(bundle, run_dir)
    _check_range(primer, model)
    melodies = _continue(model, primer, num_outputs, num_steps, temperature, seed)
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    for i, melody in enumerate(melodies, start=1):
        track = Track("melody", notes_from_melody(melody, qpm))
        write_whole(output_dir / f"{stamp}_{i:0{len(str(num_outputs))}d}.mid", write_midi([track], qpm))
    console.print(f"{num_outputs} MIDI files in {output_dir}, {stamp}_*.mid")


def parse_primer(text: str) -> np.ndarray:
    """Return the events (int8 [steps]) of a primer such as `[60, -2, 62]`.

    Raises:
        KakeaiError: No list of whole numbers, or an event out of range.
    """
    try:
        events = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        events = None
    if not isinstance(events, list | tuple) or not all(type(event) is int for event in events) or not events:
        raise KakeaiError(f'--primer-melody must be a list such as "[60, -2, 62, -1]", not {text!r}')
    for event in events:
        if not NO_EVENT <= event <= MAX_PITCH:
            raise KakeaiError(
                f"--primer-melody: {event} is out of range; use 0 to 127, -2 to hold or -1 for silence"
            )
    return np.array(events, np.int8)


def read_primer_midi(path: Path) -> tuple[np.ndarray, float]:
    """Return the top voice of a MIDI file as events (int8 [steps]), and its tempo at the beginning.

    Raises:
        KakeaiError: No such file, no MIDI, or no notes in it.
    """
    try:
        score = read_midi(path.read_bytes())
    except OSError as error:
        raise KakeaiError(f"cannot read {path}: {error.strerror}") from None
    if not len(score.notes):
        raise KakeaiError(f"{path} has no notes to begin with")
    qpm = float(score.tempos["qpm"][0]) if len(score.tempos) else DEFAULT_QPM
    steps = int(np.ceil(score.notes["end"].max() * qpm / 60 * STEPS_PER_QUARTER - 0.5))
    return melody_from_notes(score.notes, qpm, max(steps, 1)), qpm


def _load(bundle: Path | None, run_dir: Path | None) -> "MelodyRnn":
    if (bundle is None) == (run_dir is None):
        raise KakeaiError("give either --bundle (a .mag file) or --run-dir (a training run)")
    if run_dir is not None:
        from kakeai.model.run import load_model

        return load_model(run_dir)[0]
    from kakeai.model.bundle import read_bundle

    return read_bundle(bundle_path(str(bundle)))


def bundle_path(name: str) -> Path:
    """Return the file of a bundle that is named with or without its `.mag`."""
    path = Path(name).expanduser()
    return path if path.suffix == ".mag" else path.with_name(path.name + ".mag")


def _check_range(primer: np.ndarray, model: "MelodyRnn") -> None:
    config = model.config
    if config.transpose_to_key is None:
        outside = [
            int(event) for event in primer if event >= 0 and not config.min_note <= event < config.max_note
        ]
        if outside:
            raise KakeaiError(
                f"the primer's pitch {outside[0]} is out of the model's range, "
                f"{config.min_note} to {config.max_note - 1}"
            )


def _continue(
    model: "MelodyRnn", primer: np.ndarray, num_outputs: int, num_steps: int, temperature: float, seed: int
) -> np.ndarray:
    from kakeai.model import sampler

    added = sampler.generate(
        model,
        np.tile(primer.astype(np.int32), (num_outputs, 1)),
        np.full(num_outputs, len(primer), np.int32),
        np.full(num_outputs, num_steps - len(primer), np.int32),
        np.full(num_outputs, temperature, np.float32),
        np.arange(seed, seed + num_outputs, dtype=np.int64),
    ).melody
    return np.concatenate([np.tile(primer, (num_outputs, 1)), np.array(added, np.int8)], axis=1)
