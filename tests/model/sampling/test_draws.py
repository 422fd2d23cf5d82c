"""The draws: their distribution, and that a row's own depend on its seed alone."""

import numpy as np
import tensorflow as tf

from kakeai.model.sampling import draws

EULER = 0.5772156649  # mean of the standard Gumbel distribution


def test_draws_are_uniform_and_differ_between_seeds():
    uniform = draws.uniform(tf.range(200, dtype=tf.int64), tf.constant(100)).numpy()
    assert uniform.min() > 0
    assert uniform.max() < 1
    counts = np.histogram(uniform, 20, (0, 1))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 43.8  # 99.9th percentile with 19 degrees of freedom; the draws are always the same
    correlation = np.corrcoef(uniform)[np.triu_indices(200, 1)]
    assert np.abs(correlation).max() < 0.5


def test_gumbel_draws_are_finite_and_of_the_right_mean_and_spread():
    gumbel = draws.gumbel(tf.range(100, dtype=tf.int64), tf.constant(50), 40).numpy()
    assert np.isfinite(gumbel).all()
    assert abs(gumbel.mean() - EULER) < 0.01
    assert abs(gumbel.std() - np.pi / np.sqrt(6)) < 0.01


def test_a_draw_depends_on_its_seed_step_and_class_alone():
    seeds = tf.constant([3, -1, 2**63 - 1], tf.int64)
    together = draws.gumbel(seeds, tf.constant(9), 5).numpy()
    for row in range(3):
        alone = draws.gumbel(seeds[row : row + 1], tf.constant(4), 5).numpy()
        np.testing.assert_allclose(alone[:, 0], together[:4, row], atol=1e-6)  # a logarithm's last bit
