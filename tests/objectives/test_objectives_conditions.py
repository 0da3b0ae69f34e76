"""Conditions are dropped each alone and all together; draws of labels stay."""

import numpy as np
import tensorflow as tf
from tiny_models import SHAPE, small_network

from pdm_tf import seeds
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.draws import draw, drop_each, drop_labels

STEP = tf.constant(5, tf.int64)
PARTS = (slice(0, 3), slice(3, 4), slice(4, 5))
ROWS = tf.ones([4000, 5])


def test_conditions_change_no_draw_of_a_label():
    plain, beside = draw(3, STEP, 16), draw(3, STEP, 16, conditions=2)
    assert beside.each.shape == (16, 2) and plain.each == ()
    for name in ("keys", "u", "drop"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(beside, name))


def test_each_is_dropped_by_itself_and_classes_at_once():
    each = seeds.step_uniform(0, STEP, 7, 4000, 3)
    lost = np.isnan(drop_each(ROWS, each, 0.2, PARTS))
    assert np.all(lost[:, :3] == lost[:, :1])
    own = lost[:, [0, 3, 4]]
    np.testing.assert_allclose(own.mean(0), 0.2, atol=0.02)
    np.testing.assert_allclose((own[:, 0] & own[:, 1]).mean(), 0.04, atol=0.01)
    assert not np.isnan(drop_each(ROWS, each, 0.0, PARTS)).any()


def test_all_are_dropped_together():
    lost = np.isnan(
        drop_labels(ROWS, seeds.step_uniform(0, STEP, 7, 4000, 1)[:, 0], 0.1, 3)
    )
    assert np.all(lost == lost[:, :1])
    np.testing.assert_allclose(lost[:, 0].mean(), 0.1, atol=0.02)


def objective(network, labels=0.0, each=0.0):
    denoise = NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)
    variables = {v.path: v.value for v in network.trainable_variables}
    return DenoisingObjective(
        denoise, variables, "sqrt_snr", labels, (0, 999), condition_dropout=each
    )


def test_a_dropped_condition_is_the_null_condition_in_the_loss():
    network = small_network(attributes=("age",))
    x = tf.random.stateless_uniform([4, *SHAPE], (1, 2), -1.0, 1.0)
    rows = tf.constant([[1.0, 0, 0, 0.3], [0, 1, 0, 0.9]] * 2)
    nothing = tf.fill([4, 4], float("nan"))
    never, always = objective(network), objective(network, each=1.0)
    draws = never.draw(0, STEP, 4)
    wanted = never(x, nothing, draws).total
    for dropping in (always, objective(network, labels=1.0)):
        np.testing.assert_array_equal(dropping(x, rows, draws).total, wanted)
    assert np.all(never(x, rows, draws).total.numpy() != wanted.numpy())


def test_gradients_are_numbers_where_nothing_is_known():
    network = small_network(attributes=("age",), several_labels=True)
    x = tf.random.stateless_uniform([2, *SHAPE], (1, 2), -1.0, 1.0)
    rows = tf.constant([[1.0, 1, 0, float("nan")], [float("nan")] * 3 + [0.5]])
    learning = objective(network)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(learning(x, rows, learning.draw(0, STEP, 2)).total)
    gradients = tape.gradient(loss, list(learning.variables.values()))
    moved = [
        float(tf.reduce_max(tf.abs(g))) for g in map(tf.convert_to_tensor, gradients)
    ]
    assert np.isfinite(moved).all()
    by_name = dict(zip(learning.variables, moved, strict=True))
    assert all(v > 0 for n, v in by_name.items() if "attributes" in n or "classes" in n)
