"""Golden answers: what a model plays from its weights, a model server must play from its SavedModel.

Fixed calls, seeds and temperatures go the two ways that there are: through the `.mag` file's weights, in Python, and
through the SavedModel, over the wire. A model that was saved wrongly, with other weights or another vocabulary, may
answer well enough to be taken for a good one; here it differs.
"""

from pathlib import Path

import numpy as np

from kakeai.errors import KakeaiError
from kakeai.judging.decision import Check

# Calls of a bar or two: a scale, a held note, one out of every model's range, one with rests, silence.
CALLS = (
    [60, -2, 62, -2, 64, -2, 65, -2, 67, -2, 69, -2, 71, -2, 72, -2],
    [67, -2, -2, -2, -2, -2, -2, -2],
    [28, -2, 103, -2, 31, -2, 100, -2],
    [62, -2, -1, -2, 69, -1, 66, -1, 62, -2, -2, -2, -1, -2, -2, -2],
    [-2, -2, -2, -2],
)
SEEDS = (1, 20, 300, 4000, 50000)
TEMPERATURES = (1.0, 0.8, 1.2, 1.0, 0.5)
STEPS = 32
LIKELIHOOD_TOLERANCE = 1e-3  # of itself: floats are added up in another order by another graph


def golden_answers(weights: Path, address: str, model: str, timeout_seconds: float = 60.0) -> Check:
    """Ask a model server for the golden answers.

    Args:
        weights: The model's `.mag` file.
        address: Of the model server, host:port.
        model: The name that it is served under.
        timeout_seconds: For the answer.

    Raises:
        KakeaiError: The bundle cannot be read, or the server gives no answer.
    """
    import tensorflow as tf

    from kakeai.model.data.batches import pad
    from kakeai.model.magenta.bundle import read_bundle
    from kakeai.model.sampling import sampler
    from serving.model_server.client import predict

    network = read_bundle(weights)
    calls = pad([np.array(call, np.int8) for call in CALLS])
    inputs = {
        "melody": calls.melody,
        "length": calls.length,
        "steps": np.full(len(CALLS), STEPS, np.int32),
        "temperature": np.array(TEMPERATURES, np.float32),
        "seed": np.array(SEEDS, np.int64),
    }

    @tf.function(autograph=False)
    def play(inputs: dict[str, tf.Tensor]) -> sampler.Sample:
        return sampler.generate(network, **inputs)

    expected = play({name: tf.constant(value) for name, value in inputs.items()})
    served = predict(address, model, inputs, timeout_seconds=timeout_seconds)
    return _compare(expected.melody.numpy(), expected.log_likelihood.numpy(), served)


def _compare(melody: np.ndarray, log_likelihood: np.ndarray, served: dict[str, np.ndarray]) -> Check:
    if served["melody"].shape != melody.shape:
        raise KakeaiError(
            f"the model server answered with melodies of shape {served['melody'].shape}, not {melody.shape}"
        )
    same = (served["melody"] == melody).all(axis=1)
    # A likelihood that is no number equals nothing, not even itself.
    same &= np.isclose(served["log_likelihood"], log_likelihood, rtol=LIKELIHOOD_TOLERANCE)
    number = int(same.sum())
    sentence = f"Through a model server, {number} of {len(same)} golden answers are those of the weights." + (
        "" if number == len(same) else " The SavedModel is not the model that was measured; bundle it anew."
    )
    return Check("golden_answers", number == len(same), float(number), float(len(same)), sentence)
