"""The moving average against its closed form."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.training.ema import MovingAverage


def test_updates_only_when_due_and_decays_as_stated():
    w = tf.Variable([0.0])
    average = MovingAverage({"w": w}, decay=0.9, every=5, warmup=False)
    w.assign([1.0])
    for step in range(1, 21):
        average.update(tf.constant(step, tf.int64))
    np.testing.assert_allclose(average.weights["w"], [1 - 0.9**4], rtol=1e-6)


def test_warmup_forgets_the_random_start():
    w = tf.Variable([100.0])
    with_warmup = MovingAverage({"w": w}, decay=0.99, every=1, warmup=True)
    without = MovingAverage({"w": w}, decay=0.99, every=1, warmup=False)
    w.assign([0.0])
    for step in range(1, 41):
        with_warmup.update(tf.constant(step, tf.int64))
        without.update(tf.constant(step, tf.int64))
    assert abs(float(with_warmup.weights["w"][0])) < 1e-3
    assert float(without.weights["w"][0]) > 60


@pytest.mark.parametrize("n", [1, 10, 100, 10_000])
def test_warmup_never_exceeds_the_decay(n):
    w = tf.Variable([0.0])
    average = MovingAverage({"w": w}, decay=0.9, every=1, warmup=True)
    w.assign([1.0])
    average.update(tf.constant(n, tf.int64))
    decay = min(0.9, (1 + n) / (10 + n))
    np.testing.assert_allclose(average.weights["w"], [1 - decay], rtol=1e-5)


def test_averages_are_applied_for_a_while_and_whatever_happens_taken_back():
    w = tf.Variable([2.0])
    average = MovingAverage({"w": w}, decay=0.5, every=1, warmup=False)
    w.assign([4.0])
    average.update(tf.constant(1, tf.int64))
    with pytest.raises(OSError, match="disk"), average.applied():
        np.testing.assert_array_equal(w, [3.0])
        raise OSError("disk")
    np.testing.assert_array_equal(w, [4.0])
    np.testing.assert_array_equal(average.weights["w"], [3.0])
