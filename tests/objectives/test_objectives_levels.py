"""Which levels are trained: their shares, and how a batch is spread over them."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.objectives.draws import draw
from pdm_tf.objectives.levels import log_normal

SCHEDULE = NoiseSchedule.linear()
U = tf.constant((np.arange(50_000) + 0.5) / 50_000, tf.float32)


@pytest.mark.parametrize("ends", [(0, 999), (200, 650)])
@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (0.4, 0.6)])
def test_the_logarithm_of_sigma_is_normal_within_what_is_trained(ends, mean, std):
    first, last = ends
    level = log_normal(SCHEDULE, mean, std)(U, first, last)
    t = level.t.numpy()
    assert first <= t.min() and t.max() <= last
    log_sigma = -SCHEDULE.log_snr / 2
    low, high = norm.cdf(log_sigma[[first, last]], mean, std)
    for k in range(first + 20, last, 47):
        edge = (log_sigma[k] + log_sigma[k - 1]) / 2
        share = (norm.cdf(edge, mean, std) - low) / (high - low)
        assert np.mean(t < k) == pytest.approx(share, abs=1e-3)
    np.testing.assert_allclose(level.log_snr, SCHEDULE.level(t).log_snr)


def test_a_batch_is_spread_over_all_strata_or_drawn_one_by_one():
    spread = np.sort(draw(0, tf.constant(3), 64).u)
    assert (np.floor(spread * 64) == np.arange(64)).all()
    step, many = tf.constant(3), 1024
    alone = draw(0, step, many, stratified=False)
    u = alone.u.numpy()
    assert len(np.unique(np.floor(u * many))) < 0.7 * many  # of chance: 1 - 1/e
    assert u.mean() == pytest.approx(0.5, abs=0.04)
    assert np.corrcoef(u[:-1], u[1:])[0, 1] == pytest.approx(0, abs=0.12)
    np.testing.assert_array_equal(alone.keys, draw(0, step, many).keys)
