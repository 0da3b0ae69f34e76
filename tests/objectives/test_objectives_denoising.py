"""The denoising objective: what it draws, what reaches the network, who learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import Denoiser, NetworkDenoiser, Prediction
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.objectives import DenoisingObjective

SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0,),
    blocks_per_level=1,
    attention_resolutions=(),
    num_classes=3,
)
X = tf.random.stateless_uniform([8, 8, 8, 1], [1, 2], -1.0, 1.0)
LABELS = tf.range(8) % 3


class Recording(Denoiser):
    """Estimates nothing; keeps the noisy pictures, levels and labels it is given."""

    image_shape, num_classes = (8, 8, 1), 3

    def __init__(self, timesteps=20, seen=None, labels=None):
        self.schedule = NoiseSchedule.linear(timesteps)
        self.seen, self.labels = [] if seen is None else seen, labels

    def conditioned(self, labels):
        made = Recording(seen=self.seen, labels=labels)
        made.schedule = self.schedule
        return made

    def __call__(self, z, level):
        self.seen.append((z.numpy(), level, self.labels.numpy()))
        return Prediction(tf.zeros_like(z), 0.5 * tf.ones_like(z))


def seen_by(t_range=(0, 19), label_dropout=0.1, steps=40, timesteps=20):
    """What a network is given in some steps."""
    denoise = Recording(timesteps)
    objective = DenoisingObjective(denoise, {}, "snr", label_dropout, t_range)
    for step in range(steps):
        objective(X, LABELS, objective.draw(0, tf.constant(step), 8))
    return denoise.seen


def test_every_timestep_of_the_range_and_no_other_reaches_the_network():
    t = [level.t.numpy() for _, level, _ in seen_by((3, 12))]
    assert set(np.ravel(t)) == set(range(3, 13))


def test_timesteps_of_a_batch_are_spread_evenly_over_the_range():
    """Of a range of 16 each of 8 equal parts has one of 8 pictures."""
    for _, level, _ in seen_by((4, 19), steps=20):
        sorted_t = np.sort(level.t.numpy())
        gaps = np.diff(sorted_t)
        assert set(gaps) <= {1, 2, 3}
        assert sorted_t[-1] - sorted_t[0] >= 13


def test_all_timesteps_are_drawn_alike():
    t = np.ravel([level.t.numpy() for _, level, _ in seen_by(steps=200)])
    counts = np.bincount(t, minlength=20)
    np.testing.assert_allclose(counts, 80, atol=25)


@pytest.mark.parametrize("label_dropout", [0.0, 0.3, 1.0])
def test_a_share_of_labels_reaches_the_network_as_the_null_label(label_dropout):
    labels = np.array([seen[2] for seen in seen_by(label_dropout=label_dropout)])
    dropped = labels == Recording.num_classes
    np.testing.assert_allclose(dropped.mean(), label_dropout, atol=0.08)
    kept = np.broadcast_to(LABELS, labels.shape)
    np.testing.assert_array_equal(labels[~dropped], kept[~dropped])


def test_the_noise_that_reaches_the_network_is_normal_and_new_in_every_step():
    seen = seen_by(steps=60)
    eps = np.concatenate(
        [
            (z - level.per_pixel().signal * X) / level.per_pixel().noise
            for z, level, _ in seen
        ]
    ).ravel()
    assert abs(eps.mean()) < 0.03 and abs(eps.std() - 1.0) < 0.03
    assert len(np.unique(eps.round(4))) > 0.4 * len(eps)


def test_a_run_s_draws_are_a_function_of_seed_and_step():
    one, again = seen_by(steps=3), seen_by(steps=3)
    for (z, _, labels), (other, _, others) in zip(one, again, strict=True):
        np.testing.assert_array_equal(z, other)
        np.testing.assert_array_equal(labels, others)
    assert np.abs(one[0][0] - one[1][0]).max() > 0.1


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    made = PatchedUNet(SMALL)
    rng = np.random.default_rng(0)
    for v in made.trainable_variables:
        v.assign(v + 0.1 * rng.normal(size=v.shape))
    return made


def objective_of(network, label_dropout=0.5):
    named = {v.path: v.value for v in network.trainable_variables}
    denoise = NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)
    return DenoisingObjective(denoise, named, "sqrt_snr", label_dropout, (0, 999))


def test_losses_of_an_example_do_not_depend_on_the_batch(network):
    objective = objective_of(network)
    draws = objective.draw(0, tf.constant(5), 8)
    whole = objective(X, LABELS, draws)
    half = objective(X[4:], LABELS[4:], type(draws)(*(d[4:] for d in draws)))
    for name in objective.terms:
        expected = whole.terms[name][4:]
        np.testing.assert_allclose(half.terms[name], expected, rtol=1e-3)
    np.testing.assert_array_equal(half.bucket, whole.bucket[4:])


def test_the_total_is_the_sum_of_the_terms(network):
    objective = objective_of(network)
    loss = objective(X, LABELS, objective.draw(0, tf.constant(5), 8))
    assert tuple(loss.terms) == objective.terms
    np.testing.assert_allclose(loss.total, sum(loss.terms.values()), rtol=1e-6)


def test_buckets_are_quarters_of_the_timesteps():
    """Picture, timestep and bucket of a batch belong together."""
    denoise = Recording(20)
    objective = DenoisingObjective(denoise, {}, "snr", 0.1, (0, 19))
    for step in range(20):
        loss = objective(X, LABELS, objective.draw(0, tf.constant(step), 8))
        t = denoise.seen[-1][1].t.numpy()
        np.testing.assert_array_equal(loss.bucket, t // 5)


def test_only_the_variance_head_learns_from_the_bound(network):
    objective = objective_of(network)
    with tf.GradientTape(persistent=True) as tape:
        loss = objective(X, LABELS, objective.draw(0, tf.constant(1), 8))
        simple, vlb = (tf.reduce_sum(loss.terms[name]) for name in objective.terms)
        total = tf.reduce_sum(loss.total)
    weights = list(objective.variables.values())
    slopes = [tape.gradient(value, weights) for value in (simple, vlb, total)]
    for path, a, b, both in zip(objective.variables, *slopes, strict=True):
        is_head = "/variance_" in path
        assert (b is not None) == is_head, path
        assert (a is None) == is_head, path
        expected = tf.convert_to_tensor(b if is_head else a)
        np.testing.assert_array_equal(tf.convert_to_tensor(both), expected)
