"""`python -m benchmarks.answers`: melodies played on from a loaded model, Magenta's in turn with a SavedModel's.

Magenta plays as its own generator does, in a graph built for the batch that suits it best; Kakeai through TensorFlow's
session-based loader, as TF Serving does. Both models are untrained, which changes nothing in the time that they take.
"""

# Magenta's model has a session only once it is initialised.
# pyright: reportOptionalMemberAccess=false

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.results import Figure, Row, report
from benchmarks.timing import in_turn
from kakeai.model.configs import config_named  # settles TensorFlow's Keras for Magenta, too

CONFIG, LAYERS = "attention_rnn", "[128,128]"
PRIMER = [60, -2, 62, -2, 64, -2, 65, -2, 67, -2, -1, -2, 67, -2, -2, -2]  # a bar of 4/4
STEPS = 64
BATCH = 64
BATCHES = 2  # that they are played in, side by side
TIMES = 9
AIM_LATENCY = 8.0
AIM_RATE = 80.0
SETTING = f"{CONFIG} {LAYERS}, {STEPS} steps after {len(PRIMER)}"

Answer = Callable[[int], object]  # plays so many melodies on at once


def measure() -> list[Row]:
    """Return how long one answer takes, and how many come in a second when 64 are asked for, medians of nine.

    Magenta's generator plays one melody at a time. Its graph can play 64, if it is fed by hand, which the last row
    compares with. Kakeai plays 64 as a server does that has a thread for each core: as two batches side by side.
    """
    with (
        _magenta(1) as magenta_alone,
        _magenta(BATCH) as magenta_batch,
        _kakeai() as kakeai,
        ThreadPoolExecutor(BATCHES) as threads,
    ):

        def batches() -> None:
            list(threads.map(kakeai, [BATCH // BATCHES] * BATCHES))

        alone = in_turn(lambda: magenta_alone(1), lambda: kakeai(1), TIMES)
        batch = in_turn(lambda: magenta_batch(BATCH), batches, TIMES)
    rate = BATCH / batch[1]
    return [
        Row("one answer", SETTING, "ms", 1e3 * alone[0], 1e3 * alone[1], AIM_LATENCY),
        Row(f"{BATCH} answers, Magenta's generator", SETTING, "answers/s", 1 / alone[0], rate, AIM_RATE),
        Row(f"{BATCH} answers, Magenta's graph", SETTING, "answers/s", BATCH / batch[0], rate),
    ]


def warm_up() -> list[Figure]:
    """Return how long the first and the tenth answer take after the SavedModel's own warm-up requests."""
    with _kakeai() as answer:
        seconds = []
        for _ in range(10):
            begun = time.perf_counter()
            answer(1)
            seconds.append(1e3 * (time.perf_counter() - begun))
    return [
        Figure("first answer after the warm-up", SETTING, "ms", seconds[0]),
        Figure("tenth answer after the warm-up", SETTING, "ms", seconds[9]),
    ]


@contextmanager
def _magenta(batch_size: int) -> Iterator[Answer]:
    import note_seq
    import tensorflow.compat.v1 as tf1  # pyright: ignore[reportMissingImports]
    from magenta.common import state_util
    from magenta.contrib.training import HParams
    from magenta.models.melody_rnn import melody_rnn_model
    from magenta.models.shared import events_rnn_graph, events_rnn_model

    ours = config_named(CONFIG, f"rnn_layer_sizes={LAYERS}").hparams
    default = melody_rnn_model.default_configs[CONFIG]
    changes = {"batch_size": batch_size, "rnn_layer_sizes": list(ours.rnn_layer_sizes)}
    config = melody_rnn_model.MelodyRnnConfig(
        default.details,
        default.encoder_decoder,
        HParams(**{**default.hparams.values(), **changes}),
        default.min_note,
        default.max_note,
        default.transpose_to_key,
    )
    model = melody_rnn_model.MelodyRnnModel(config)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(Path(folder, "model.ckpt"))
        with tf1.Graph().as_default(), tf1.Session() as session:
            events_rnn_graph.get_build_graph_fn("generate", config)()
            session.run(tf1.global_variables_initializer())
            tf1.train.Saver().save(session, checkpoint)
        model.initialize_with_checkpoint(checkpoint)

    def answer(rows: int) -> None:
        # As its `_generate_events` begins a beam search, but each row with its own draws and none dropped.
        session, encoder = model._session, config.encoder_decoder
        melodies = [note_seq.Melody(PRIMER) for _ in range(rows)]
        first = session.run(session.graph.get_collection("initial_state"))
        states = [
            events_rnn_model.ModelState(
                inputs=inputs, rnn_state=state, control_events=None, control_state=None
            )
            for inputs, state in zip(
                encoder.get_inputs_batch(melodies, full_length=True),
                state_util.unbatch(first, batch_size),
                strict=True,
            )
        ]
        likelihoods = [0.0] * rows
        for _ in range(STEPS):
            melodies, states, likelihoods = model._generate_step(melodies, states, likelihoods, 1.0)

    answer(batch_size)
    yield answer
    model.close()


@contextmanager
def _kakeai() -> Iterator[Answer]:
    import tensorflow as tf

    from kakeai.model.network.melody_rnn import MelodyRnn
    from kakeai.model.saved_model import WARMUP_REQUESTS, export
    from kakeai.protos.tensorflow_serving.apis import prediction_log_pb2

    with tempfile.TemporaryDirectory() as folder, closing(tf.compat.v1.Session(graph=tf.Graph())) as session:
        saved = Path(folder, "saved")
        export(MelodyRnn(config_named(CONFIG, f"rnn_layer_sizes={LAYERS}")), saved, "kakeai")
        with session.graph.as_default():
            signatures = tf.compat.v1.saved_model.load(session, ["serve"], str(saved)).signature_def

        def ask(name: str, inputs: dict[str, np.ndarray]) -> None:
            signature = signatures[name]
            feeds = {signature.inputs[key].name: value for key, value in inputs.items()}
            session.run([output.name for _, output in sorted(signature.outputs.items())], feeds)

        def answer(rows: int) -> None:
            inputs = {
                "melody": np.tile(np.array(PRIMER, np.int32), (rows, 1)),
                "length": np.full(rows, len(PRIMER), np.int32),
                "steps": np.full(rows, STEPS, np.int32),
                "temperature": np.ones(rows, np.float32),
                "seed": np.arange(rows, dtype=np.int64),
            }
            ask("generate", inputs)

        for record in tf.data.TFRecordDataset(str(saved / WARMUP_REQUESTS)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(bytes(record)).predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            ask(request.model_spec.signature_name, inputs)
        yield answer


if __name__ == "__main__":
    report("Answers", measure())
    report("Answers after the warm-up", warm_up())
