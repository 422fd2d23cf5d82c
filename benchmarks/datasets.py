"""NoteSequences → what training reads: `melody_rnn_create_dataset` and `kakeai convert` on the same NoteSequences.

Magenta stores encoded inputs, Kakeai melodies, which it encodes as it trains; so both are told: convert alone, and
convert with every melody encoded once.
"""

import tempfile
from pathlib import Path

from benchmarks.results import Row
from benchmarks.timing import in_turn
from kakeai.stages.convert import convert

AIMS = {"attention_rnn": 100.0, "basic_rnn": 10.0}
AIM_BYTES = 100.0
BATCH_SIZE = 64


def measure(note_sequences: Path) -> list[Row]:
    """Return melodies a second, and bytes, for two configurations.

    Args:
        note_sequences: Folder that `ingest` wrote.
    """
    rows = []
    for config, aim in AIMS.items():
        with tempfile.TemporaryDirectory() as aside:
            theirs, ours = Path(aside, "magenta"), Path(aside, "kakeai")
            create = _magenta(note_sequences, theirs, config)
            seconds = in_turn(create, lambda c=config, o=ours: convert([note_sequences], o, c))
            encoding = in_turn(lambda: None, lambda c=config, o=ours: _encode(o, c))[1]
            melodies = _num_melodies(ours)
            sizes = [_megabytes(side) for side in (theirs, ours)]
        setting = f"{config}, {melodies:,} melodies"
        rates = [melodies / spent for spent in seconds]
        rows += [
            Row("NoteSequences → dataset", setting, "melodies/s", rates[0], rates[1], aim),
            Row(
                "NoteSequences → dataset, encoded once",
                setting,
                "melodies/s",
                rates[0],
                melodies / (seconds[1] + encoding),
                aim,
            ),
            Row("the dataset's files", setting, "MB", sizes[0], sizes[1], AIM_BYTES),
        ]
    return rows


def _magenta(note_sequences: Path, output: Path, config: str):  # noqa: ANN202
    import kakeai.model  # noqa: F401  settles TensorFlow's Keras for Magenta
    from magenta.models.melody_rnn import melody_rnn_model, melody_rnn_pipeline  # isort: skip
    from magenta.pipelines import pipeline

    def create() -> None:
        whole = melody_rnn_pipeline.get_pipeline(melody_rnn_model.default_configs[config], eval_ratio=0.1)
        for shard in note_sequences.glob("*.tfrecord"):
            sequences = pipeline.tf_record_iterator(str(shard), whole.input_type)
            pipeline.run_pipeline_serial(whole, sequences, str(output))

    return create


def _encode(dataset: Path, config: str) -> None:
    import tensorflow as tf

    from kakeai.model.configs import config_named
    from kakeai.model.data.batches import eval_batches
    from kakeai.model.data.dataset import TRAINING, read_dataset
    from kakeai.model.encodings.keys import squash
    from kakeai.model.encodings.whole_melodies import encoding_of

    parsed = config_named(config)
    encoding = encoding_of(parsed)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def encode(melody: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return encoding.encode(squash(melody, parsed)[0])

    for batch in eval_batches(read_dataset(dataset / TRAINING)[0], BATCH_SIZE):
        encode(tf.constant(batch.melody))


def _megabytes(dataset: Path) -> float:
    return sum(path.stat().st_size for path in dataset.glob("*.tfrecord")) / 1e6


def _num_melodies(dataset: Path) -> int:
    from kakeai.model.data.dataset import read_dataset_info

    info = read_dataset_info(dataset)
    return info.num_training_melodies + info.num_eval_melodies
