"""The search beside Magenta's own, on a toy whose every row draws for itself."""

import copy

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from magenta.common import beam_search as their_beam_search

from kakeai.model.configs import config_named
from kakeai.model.network.melody_rnn import MelodyRnn
from kakeai.model.sampling.beam_search import Beam, continue_melody, search

NUM_STEPS = 9


def drawn(last, row, step, search_number):
    """What a row plays, and what it gains: any fixed rule that depends on its past, with many equal gains."""
    event = (5 * last + 3 * row + 7 * step + 11 * search_number + last * row) % 13
    return event, (event * 8) % 5


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, NUM_STEPS), st.integers(1, 3))
def test_the_same_rows_survive_as_in_magentas_search(
    size, branches, steps_per_iteration, num_steps, searches
):
    def their_search(number):
        calls = iter(range(num_steps))

        def step(sequences, states, scores):
            i = next(calls)
            for row, sequence in enumerate(sequences):
                event, gained = drawn(sequence[-1], row, i, number)
                sequence.append(event)
                scores[row] += gained
            return sequences, copy.deepcopy(states), scores

        sequence, _, score = their_beam_search(
            [1], None, step, num_steps, size, branches, steps_per_iteration
        )
        return sequence[1:], score

    beam = Beam(size, branches, steps_per_iteration)

    def our_step(i, found):
        row, number = tf.range(len(found)) % beam.rows, tf.range(len(found)) // beam.rows
        event, gained = drawn(found[:, -1], row, i, number)
        return tf.concat([found[:, 1:], event[:, None]], axis=1), tf.cast(gained, tf.float32)

    begun = tf.one_hot([NUM_STEPS] * searches, NUM_STEPS + 1, dtype=tf.int32)
    found, score = search(begun, our_step, num_steps, beam)
    for number in range(searches):
        sequence, their_score = their_search(number)
        assert found[number, NUM_STEPS + 1 - num_steps :].numpy().tolist() == sequence
        assert score[number] == their_score


def test_a_search_does_not_depend_on_those_beside_it():
    model = MelodyRnn(config_named("lookback_rnn", "rnn_layer_sizes=[8]"), seed=2)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int64)])
    def play(seeds):
        return continue_melody(model, tf.constant([60, -2, 64]), 12, 1.0, seeds, Beam(2, 3, 2))

    together = play(tf.constant([5, 6, 7], tf.int64)).numpy()
    np.testing.assert_array_equal(play(tf.constant([6], tf.int64)).numpy()[0], together[1])
    assert len({tuple(melody) for melody in together}) == len(together)
