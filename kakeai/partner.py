"""A model that answers phrases, for programs and notebooks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from kakeai.errors import KakeaiError
from kakeai.model.magenta.bundle import read_bundle
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.sampler import generate
from kakeai.music.melody import MAX_PITCH, NO_EVENT


class Partner:
    """A model that continues melodies. The same phrase, steps, temperature and seed give the same answer."""

    def __init__(self, model: MelodyRnn) -> None:
        """Play with `model`."""
        self.model = model

        # One graph for phrases and answers of any length.
        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec([1, None], tf.int32),
                tf.TensorSpec([1], tf.int32),
                tf.TensorSpec([1], tf.float32),
                tf.TensorSpec([1], tf.int64),
            ],
        )
        def play(phrase: tf.Tensor, steps: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return generate(model, phrase, tf.shape(phrase)[1:], steps, temperature, seed).melody

        self._play = play

    @classmethod
    def load(cls, bundle: Path) -> "Partner":
        """Return the model in a `.mag` bundle. Raises KakeaiError if the file is no bundle."""
        if not bundle.is_file():
            raise KakeaiError(f"there is no bundle {bundle}; give the path of a .mag file")
        return cls(read_bundle(bundle))

    def answer(
        self, melody: Sequence[int] | np.ndarray, steps: int, temperature: float = 1.0, seed: int = 0
    ) -> np.ndarray:
        """Return the steps that the model plays after a phrase, int8 [steps].

        Args:
            melody: The phrase, one event for each sixteenth: -2 for nothing new, -1 for a note-off, 0 to 127 for a
                pitch. An empty phrase counts as one step of silence.
            steps: Sixteenths to play, 1 or more.
            temperature: Greater than 0. 1 samples from the model as trained, less is less adventurous.
            seed: Of the random draws.

        Raises:
            KakeaiError: A value is out of its range.
        """
        phrase = np.asarray(melody, np.int64).reshape(-1)
        if phrase.size and not (phrase.min() >= NO_EVENT and phrase.max() <= MAX_PITCH):
            raise KakeaiError("melody must hold events from -2 to 127")
        if steps < 1:
            raise KakeaiError(f"steps must be 1 or more, not {steps}")
        if not temperature > 0:
            raise KakeaiError(f"temperature must be greater than 0, not {temperature}")
        if not phrase.size:
            phrase = np.array([NO_EVENT])
        answer = self._play(
            tf.constant(phrase[None], tf.int32),
            tf.constant([steps], tf.int32),
            tf.constant([temperature], tf.float32),
            tf.constant([seed], tf.int64),
        )
        return answer.numpy()[0].astype(np.int8)
