"""Magenta's beam search, many searches at once: branch by sampling, keep what is likeliest.

A search has `branch_factor * beam_size` rows. All play on by `steps_per_iteration` steps; then the `beam_size` rows
of the highest score go on, each `branch_factor` times. The order of rows, and of equals among them, is that of
`magenta/common/beam_search.py`, so that equal draws find equal melodies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from kakeai.model.encodings.keys import squash, transpose
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling import draws
from kakeai.model.sampling.player import Player
from kakeai.music.melody import MAX_PITCH, MIN_PITCH

State = Any  # nested tensors, each with the rows in front


@dataclass(frozen=True)
class Beam:
    """How wide and how often is searched; the defaults are Magenta's, and search nothing.

    Attributes:
        size: Rows that are kept.
        branch_factor: Ways in which each of them is played on.
        steps_per_iteration: Steps between two choices.
    """

    size: int = 1
    branch_factor: int = 1
    steps_per_iteration: int = 1

    @property
    def rows(self) -> int:
        """How many melodies a search plays side by side."""
        return self.size * self.branch_factor


def search(
    initial: State,
    step: Callable[[tf.Tensor, State], tuple[State, tf.Tensor]],
    num_steps: int,
    beam: Beam,
) -> tuple[State, tf.Tensor]:
    """Return the state in which each search's best row ended, [searches, ...], and its score, float32 [searches].

    Args:
        initial: Where the searches begin, [searches, ...].
        step: Plays every row on by one step: called with the number of the step, int32 [], and the state of all
            rows, [searches * beam.rows, ...]; returns the next state, and what each row's score gains, float32 [rows].
        num_steps: Steps to play, 1 or more.
        beam: How to search.
    """
    # The first iteration takes what the others, all of one length, leave over.
    first = (num_steps - 1) % beam.steps_per_iteration + 1
    state = tf.nest.map_structure(lambda tensor: tf.repeat(tensor, beam.rows, axis=0), initial)
    num_rows = tf.shape(tf.nest.flatten(state)[0])[0]
    offsets = tf.range(0, num_rows, beam.rows)[:, None]

    def best(score: tf.Tensor, count: int) -> tf.Tensor:
        return tf.math.top_k(tf.reshape(score, [-1, beam.rows]), count).indices + offsets

    def add_step(i: tf.Tensor, state: State, score: tf.Tensor) -> tuple[tf.Tensor, State, tf.Tensor]:
        state, gained = step(i, state)
        score += gained
        chosen = tf.reshape(tf.tile(best(score, beam.size), [1, beam.branch_factor]), [-1])
        ended = tf.equal(tf.math.floormod(i + 1 - first, beam.steps_per_iteration), 0)
        chooses = ended & (i + 1 < num_steps)
        rows = tf.where(chooses, chosen, tf.range(num_rows))
        return i + 1, *tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), (state, score))

    loop = (tf.constant(0), state, tf.zeros([num_rows]))
    _, state, score = tf.while_loop(lambda i, *_: i < num_steps, add_step, loop)
    rows = best(score, 1)[:, 0]
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), (state, score))


def continue_melody(
    model: MelodyRnn, melody: tf.Tensor, steps: int, temperature: float, seeds: tf.Tensor, beam: Beam
) -> tf.Tensor:
    """Return int32 [searches, steps]: what the searches found to play after a melody, at real pitches.

    Args:
        model: The network and its configuration.
        melody: int32 [primer], events at real pitches, one at least.
        steps: Steps to add, 1 or more.
        temperature: Greater than 0; the score, too, is by the probabilities that it makes.
        seeds: int64 [searches], one for each search.
        beam: How to search.
    """
    primer, moved = squash(melody[None], model.config)
    listener = Player(model, tf.constant(1))
    heard = listener.prefill(listener.encoding.classes(primer))
    initial = tf.nest.map_structure(
        lambda tensor: tf.repeat(tensor, tf.shape(seeds)[0], axis=0), (heard, tf.zeros([1, steps], tf.int32))
    )
    player = Player(model, tf.size(seeds) * beam.rows)
    # A row's draws are its own, and those of the sampler where a search has but one row.
    row_seeds = tf.reshape(seeds[:, None] * beam.rows + tf.range(beam.rows, dtype=tf.int64), [-1])
    noise = draws.gumbel(row_seeds, tf.constant(steps), player.encoding.num_classes)

    def play(i: tf.Tensor, at: State) -> tuple[State, tf.Tensor]:
        performance, found = at
        output, performance = player.listen(performance)
        log_probabilities = tf.nn.log_softmax(player.network.logits(output) / temperature)
        drawn = tf.argmax(log_probabilities + noise[i], axis=1, output_type=tf.int32)
        label = player.own_labels(performance, drawn)
        found = tf.where(tf.equal(tf.range(steps), i), label[:, None], found)
        gained = tf.gather(log_probabilities, drawn, batch_dims=1)
        return (player.play(performance, label), found), gained

    (_, found), _ = search(initial, play, steps, beam)
    moved_back = tf.repeat(-moved, tf.shape(found)[0])
    return transpose(player.encoding.events(found), moved_back, MIN_PITCH, MAX_PITCH + 1)
