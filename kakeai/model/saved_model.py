"""Models as TensorFlow SavedModels that stock TF Serving loads: signatures and warm-up requests."""

# A module takes any attribute, and protobuf makes its messages as it loads.
# pyright: reportAttributeAccessIssue=false

from pathlib import Path

import numpy as np
import tensorflow as tf

from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling import sampler
from kakeai.music.melody import NO_EVENT, STEPS_PER_QUARTER

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"  # where TF Serving looks for them
WARMUP_BARS = (1, 2)  # of 4/4: what players ask for most
WARMUP_TIMES = 2  # TensorFlow is at its full speed from the third answer on
MOST_STEPS = 4096  # that one answer may have, 256 bars of 4/4; the draws of all of them are held at once


def servable(model: MelodyRnn) -> tf.Module:
    """Return the model's signatures as functions of a module that holds its weights.

    `generate` continues melodies (`kakeai.model.sampling.sampler.generate`), `score` returns their log-likelihood
    (`kakeai.model.sampling.sampler.score`). Every input has the batch in front, so that a server can batch requests.
    No request fails for its values, since it would fail its batch: an answer has at most MOST_STEPS steps.
    """
    melodies = [tf.TensorSpec([None, None], tf.int32, "melody"), tf.TensorSpec([None], tf.int32, "length")]
    settings = [
        tf.TensorSpec([None], tf.int32, "steps"),
        tf.TensorSpec([None], tf.float32, "temperature"),
        tf.TensorSpec([None], tf.int64, "seed"),
    ]

    def generate(
        melody: tf.Tensor, length: tf.Tensor, steps: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        steps = tf.minimum(steps, MOST_STEPS)
        return sampler.generate(model, melody, length, steps, temperature, seed)._asdict()

    def score(melody: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"log_likelihood": sampler.score(model, melody, length)}

    module = tf.Module()
    # The weights themselves: a Keras model among a module's parts would be saved beside what the functions use, and
    # a session-based loader would restore only the copy.
    module.weights = [variable.value for variable in model.weights]
    module.generate = tf.function(generate, melodies + settings, autograph=False)
    module.score = tf.function(score, melodies, autograph=False)
    return module


def export(model: MelodyRnn, folder: Path, name: str) -> None:
    """Write the model into `folder` as a SavedModel with warm-up requests.

    Args:
        model: What to serve.
        folder: Made anew.
        name: The name that it will be served under; warm-up requests carry it.
    """
    module = servable(model)
    generate = module.generate.get_concrete_function()
    signatures = {
        "serving_default": generate,
        "generate": generate,
        "score": module.score.get_concrete_function(),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    _write_warmup(folder / WARMUP_REQUESTS, name)


def _write_warmup(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for bars in WARMUP_BARS:
            steps = bars * 4 * STEPS_PER_QUARTER
            primer = {
                "melody": np.full([1, steps], NO_EVENT, np.int32),
                "length": np.array([steps], np.int32),
            }
            settings = {
                "steps": np.array([steps], np.int32),
                "temperature": np.array([1.0], np.float32),
                "seed": np.array([0], np.int64),
            }
            for _ in range(WARMUP_TIMES):
                writer.write(_warmup_request(name, "generate", primer | settings))
                writer.write(_warmup_request(name, "score", primer))


def _warmup_request(name: str, signature: str, inputs: dict[str, np.ndarray]) -> bytes:
    from kakeai.protos.tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    return log.SerializeToString()
