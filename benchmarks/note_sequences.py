"""MIDI files → NoteSequences: Magenta's `convert_dir_to_note_sequences` and `kakeai ingest` on the same folder."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import Row
from benchmarks.timing import in_turn
from kakeai.stages.ingest import ingest

AIM = 20.0


def write_variants(corpus: Path, folder: Path, variants: int) -> None:
    """Write every MIDI file of a corpus so many times, each time with another last track, which holds a text alone."""
    folder.mkdir()
    for path in corpus.rglob("*.mid"):
        content = path.read_bytes()
        num_tracks = int.from_bytes(content[10:12], "big")
        for variant in range(variants):
            text = f"variant {variant}".encode()
            events = bytes([0, 0xFF, 0x01, len(text)]) + text + bytes([0, 0xFF, 0x2F, 0])
            track = b"MTrk" + len(events).to_bytes(4, "big") + events
            whole = content[:10] + (num_tracks + 1).to_bytes(2, "big") + content[12:] + track
            (folder / f"{path.stem}-{variant}.mid").write_bytes(whole)


def measure(corpora: Mapping[str, Path]) -> list[Row]:
    """Return files a second for each corpus (its name, and its folder of MIDI files).

    Both sides run in this process with everything imported, so a command's start does not count; Kakeai's worker
    processes are started anew each time, and that does.
    """
    import kakeai.model  # noqa: F401  settles TensorFlow's Keras for Magenta
    from magenta.scripts.convert_dir_to_note_sequences import convert_files  # isort: skip
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]

    tf1.logging.set_verbosity(tf1.logging.ERROR)
    rows = []
    for name, folder in corpora.items():
        num_files = sum(1 for path in folder.rglob("*.mid"))
        with tempfile.TemporaryDirectory() as aside:

            def theirs(folder: Path = folder, aside: str = aside) -> None:
                with tf1.io.TFRecordWriter(str(Path(aside, "magenta.tfrecord"))) as writer:
                    convert_files(str(folder), "", writer, recursive=True)

            def ours(folder: Path = folder, aside: str = aside) -> None:
                ingest(str(folder), Path(aside, "kakeai"))

            seconds = in_turn(theirs, ours)
        setting = f"{name}, {num_files:,} files"
        rates = [num_files / spent for spent in seconds]
        rows.append(Row("MIDI → NoteSequences", setting, "files/s", rates[0], rates[1], AIM))
    return rows
