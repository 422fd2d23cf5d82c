"""`kakeai generate`: melodies from a bundle or a training run, as MIDI files."""

import ast
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.progress import console, stage_bar
from kakeai.corpus.sizes import MAX_FILE_BYTES
from kakeai.errors import KakeaiError
from kakeai.outputs import check_folder
from kakeai.storage import location

if TYPE_CHECKING:
    import numpy as np

    from kakeai.model.network.melody_rnn import MelodyRnn
    from kakeai.music.primer import Primer

DEFAULT_QPM = 120.0
SLOWEST_QPM, FASTEST_QPM = 4.0, 1000.0  # a MIDI file holds no slower one
DEFAULT_PRIMER = "[60]"  # Magenta's, middle C


def generate(
    bundle: Annotated[Path | None, typer.Option(help="A .mag bundle, Magenta's or ours.")] = None,
    run_dir: Annotated[
        str | None,
        typer.Option(help="A training run instead, local or gs://; or a local one of melody_rnn_train."),
    ] = None,
    config: Annotated[
        str, typer.Option(help="Configuration to read the weights as; by default found from the weights.")
    ] = "",
    hparams: Annotated[
        str, typer.Option(help="What the weights do not tell, such as attn_length=40; seldom needed.")
    ] = "",
    num_outputs: Annotated[int, typer.Option(help="How many melodies.", min=1)] = 10,
    num_steps: Annotated[int, typer.Option(help="16th notes of each, its primer counted in.", min=2)] = 128,
    primer_melody: Annotated[
        str, typer.Option(help="Events to begin with: pitches, -2 to hold, -1 for silence.")
    ] = "",
    primer_midi: Annotated[
        Path | None, typer.Option(help="MIDI file to begin with, of one tempo; its highest notes count.")
    ] = None,
    qpm: Annotated[
        float | None,
        typer.Option(
            help="Quarter notes a minute, 120 by default; with --primer-midi the file's own tempo counts."
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(help="Above 1 is wilder, below 1 is tamer.")] = 1.0,
    beam_size: Annotated[int, typer.Option(help="Melodies that a beam search keeps.", min=1)] = 1,
    branch_factor: Annotated[
        int, typer.Option(help="Continuations of each that the search tries.", min=1)
    ] = 1,
    steps_per_iteration: Annotated[
        int, typer.Option(help="16th notes between two choices of the search.", min=1)
    ] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same melodies.")] = 0,
    output_dir: Annotated[Path, typer.Option(help="Folder for the MIDI files.")] = Path("generated"),
) -> None:
    """Continue a primer with a trained model and write MIDI files, as Magenta's melody_rnn_generate does.

    Example: kakeai generate --bundle my_model --num-outputs 10 --num-steps 128 --primer-melody "[60]"
    """
    if not temperature > 0:
        raise KakeaiError(f"--temperature must be greater than 0, not {temperature}")
    if qpm is not None and not SLOWEST_QPM <= qpm <= FASTEST_QPM:
        raise KakeaiError(f"--qpm must be from {SLOWEST_QPM:.0f} to {FASTEST_QPM:.0f}, not {qpm}")
    if primer_melody and primer_midi:
        raise KakeaiError("give --primer-melody or --primer-midi, not both")
    if (bundle is None) == (run_dir is None):
        raise KakeaiError("give either --bundle (a .mag file) or --run-dir (a training run)")
    check_folder(output_dir, "--output-dir")
    path = bundle_path(str(bundle)) if bundle else None
    if primer_midi:
        primer = read_primer_midi(primer_midi, num_steps)
    else:
        primer = parse_primer(primer_melody or DEFAULT_PRIMER, qpm or DEFAULT_QPM, num_steps)
    from kakeai.model.sampling.beam_search import Beam
    from kakeai.model.sampling.generation import melodies

    beam = Beam(beam_size, branch_factor, steps_per_iteration)
    with console.status("reading the model"):
        model = _load(path, run_dir, config, hparams)
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    with stage_bar() as bar:
        bar.show("generate", 0, num_outputs)
        found = melodies(model, primer.melody, primer.steps, num_outputs, temperature, seed, beam)
        for done, melody in enumerate(found, start=1):
            _write(output_dir, f"{stamp}_{done:0{len(str(num_outputs))}d}", primer, melody)
            bar.show("generate", done, num_outputs)
    console.print(f"{num_outputs} MIDI files in {output_dir}, {stamp}_*.mid", soft_wrap=True)


def parse_primer(text: str, qpm: float, num_steps: int) -> "Primer":
    """Return the primer that events such as `[60, -2, 62]` make.

    Raises:
        KakeaiError: No list of whole numbers, an event out of range, or nothing left to play.
    """
    import numpy as np

    from kakeai.music.melody import MAX_PITCH, NO_EVENT
    from kakeai.music.primer import primer_of_events

    try:
        events = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        events = None
    if not isinstance(events, list | tuple) or not all(type(event) is int for event in events):
        raise KakeaiError(f'--primer-melody must be a list such as "[60, -2, 62, -1]", not {text!r}')
    for event in events:
        if not NO_EVENT <= event <= MAX_PITCH:
            raise KakeaiError(
                f"--primer-melody: {event} is out of range; use 0 to 127, -2 to hold or -1 for silence"
            )
    return primer_of_events(np.array(events, np.int8), qpm, num_steps)


def read_primer_midi(path: Path, num_steps: int) -> "Primer":
    """Return the primer that a MIDI file makes, in its own tempo.

    Raises:
        KakeaiError: No such file, no MIDI, a tempo or metre that changes, or nothing left to play.
    """
    from kakeai.music.midi import read_midi
    from kakeai.music.primer import primer_of_score

    try:
        with path.expanduser().open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise KakeaiError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
        return primer_of_score(read_midi(content), num_steps)
    except OSError as error:
        raise KakeaiError(f"cannot read {path}: {error.strerror}") from None
    except KakeaiError as error:
        raise KakeaiError(f"cannot begin with {path}: {error}") from None


def _load(bundle: Path | None, run: str | None, config: str, hparams: str) -> "MelodyRnn":
    if bundle is not None:
        from kakeai.model.magenta.bundle import read_bundle

        return read_bundle(bundle, config, hparams)
    run_dir = location(run or "")
    if isinstance(run_dir, Path) and not (run_dir / "run.json").exists():
        from kakeai.model.magenta.model import read_magenta_run

        return read_magenta_run(run_dir, config, hparams)
    from kakeai.model.training.run import load_model, read

    trained = read(run_dir)
    if (config and config != trained.config) or hparams:
        raise KakeaiError(
            f"{run_dir} was trained as {trained.config} with {trained.hparams}; leave --config and --hparams out"
        )
    return load_model(run_dir)[0]


def bundle_path(name: str) -> Path:
    """Return the file of a bundle that is named with or without its `.mag`.

    Raises:
        KakeaiError: There is none.
    """
    path = Path(name).expanduser()
    path = path if path.suffix == ".mag" else path.with_name(path.name + ".mag")
    if not path.is_file():
        raise KakeaiError(f"there is no bundle {path}; give the path of a .mag file")
    return path


def _write(folder: Path, name: str, primer: "Primer", melody: "np.ndarray") -> None:
    from kakeai.music.midi import Track, write_midi
    from kakeai.storage import write_whole

    content = write_midi([Track("melody", primer.notes_of(melody))], primer.qpm)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _new_file(folder, name)
        try:
            write_whole(path, content)
        except BaseException:
            path.unlink()
            raise
    except OSError as error:
        raise KakeaiError(f"cannot write {folder}: {error.strerror}; choose another --output-dir") from None


def _new_file(folder: Path, name: str) -> Path:
    """Make an empty file NAME.mid; where another run of the same second has it, NAME_2.mid and so on."""
    path = folder / f"{name}.mid"
    for number in count(2):
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            break
        path = folder / f"{name}_{number}.mid"
    return path
