"""EDM's augmentation: the plane moves as it is told, and what is not told does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_network

import pdm_tf as pdm
from pdm_tf import seeds
from pdm_tf.config import JiTConfig
from pdm_tf.config.augmenting import TRANSFORMS
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import JiT
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.augmentation import (
    DRAWN,
    STREAM,
    Transforms,
    draw_transforms,
    transform,
)
from pdm_tf.objectives.augmented import AugmentedObjective

PICTURES = tf.random.stateless_uniform([6, 9, 12, 3], [1, 2], -1.0, 1.0)


def told(**given):
    """Transforms of a batch of one, nothing but those given."""
    nothing = dict.fromkeys(Transforms._fields, tf.zeros([1]))
    return Transforms(
        **nothing | {k: tf.constant([float(v)]) for k, v in given.items()}
    )


def drawn(chance, names=TRANSFORMS, count=4000):
    u = seeds.step_uniform(0, tf.constant(3), STREAM, count, DRAWN)
    return draw_transforms(u, chance, names)


def test_where_nothing_happened_the_vector_is_zero_and_every_bit_stays():
    transforms = drawn(0.0, count=6)
    np.testing.assert_array_equal(transforms.vector, np.zeros([6, 9]))
    np.testing.assert_array_equal(transform(PICTURES, transforms), PICTURES)


def test_a_picture_keeps_its_bits_exactly_where_its_vector_is_zero():
    x = tf.random.stateless_uniform([400, 6, 6, 1], [5, 6], -1.0, 1.0)
    transforms = drawn(0.1, count=400)
    still = ~np.any(transforms.vector.numpy(), axis=1)
    same = np.all(transform(x, transforms).numpy() == x.numpy(), axis=(1, 2, 3))
    assert 0.2 < still.mean() < 0.5
    np.testing.assert_array_equal(same, still)


def test_mirrors_are_exact():
    x = PICTURES[:1]
    for name, axis in [("mirror", 2), ("flip", 1)]:
        got = transform(x, told(**{name: 1}))
        np.testing.assert_array_equal(got, tf.reverse(x, [axis]))


def test_whole_pixels_of_shift_and_a_right_angle_are_exact():
    """An eighth of the width is a deviation; what comes in is the mirror image."""
    x = tf.random.stateless_uniform([1, 16, 16, 2], [1, 3], -1.0, 1.0)
    got = transform(x, told(shift_x=1))  # 2 pixels to the right
    np.testing.assert_allclose(got[:, :, 2:], x[:, :, :-2], atol=1e-6)
    np.testing.assert_allclose(got[:, :, :2], x[:, :, 2:0:-1], atol=1e-6)
    got = transform(x, told(rotate=np.pi / 2))
    np.testing.assert_allclose(got[0], np.rot90(x[0].numpy(), -1), atol=1e-4)


def test_the_plane_moves_by_the_product_of_the_matrices():
    """A quadratic picture, which the cubic curve reproduces, at known places."""
    given = {"mirror": 1, "scale": 0.6, "rotate": 0.7, "stretch": -0.5}
    given |= {"direction": 1.1, "shift_x": 0.3, "shift_y": -0.2}
    size = 33

    def picture(x, y):
        return (0.3 + 0.02 * x - 0.015 * y + 4e-4 * x * y - 3e-4 * x * x) / 2

    def turn(angle):
        return np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )

    stretch = 2.0 ** (0.2 * given["stretch"])
    forward = (
        turn(given["direction"])
        @ np.diag([stretch, 1 / stretch])
        @ turn(-given["direction"])
        @ turn(given["rotate"])
        @ np.eye(2)
        * 2.0 ** (0.2 * given["scale"])
        @ np.diag([-1.0, 1.0])
    )
    axis = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(axis, axis)
    shift = np.array([given["shift_x"], given["shift_y"]])[:, None] * size / 8
    back = np.linalg.solve(forward, np.stack([x.ravel(), y.ravel()]) - shift)
    inside = np.abs(back).max(0).reshape(size, size) < size / 2 - 2
    wanted = picture(*back).reshape(size, size)
    made = tf.constant(picture(x, y)[None, ..., None], tf.float32)
    got = transform(made, told(**given))[0, ..., 0].numpy()
    assert inside.mean() > 0.3
    np.testing.assert_allclose(got[inside], wanted[inside], atol=2e-5)


def test_each_transform_has_its_chance_and_its_distribution():
    vector = drawn(0.3).vector.numpy()
    share = np.mean(vector != 0, axis=0)
    wanted = [0.5, 0.15, *[0.3] * 7]
    np.testing.assert_allclose(share, wanted, atol=0.03)
    for entry in (2, 7, 8):  # standard normal where they are drawn
        values = vector[:, entry][vector[:, entry] != 0]
        assert abs(values.mean()) < 0.1 and abs(values.std() - 1) < 0.06
    turned = vector[vector[:, 4] != 0]
    np.testing.assert_allclose(np.hypot(turned[:, 3] + 1, turned[:, 4]), 1.0, atol=1e-5)


def test_transforms_that_are_not_named_do_not_happen():
    vector = drawn(1.0, ("scale",), 50).vector.numpy()
    assert np.all(vector[:, 2] != 0)
    np.testing.assert_array_equal(np.delete(vector, 2, axis=1), 0)


def augmented_unet():
    return small_network(augment=0.12)


def augmented_jit():
    return JiT(
        JiTConfig(
            16, 2, 2, 4, 2, 1, image_shape=SHAPE, patch_size=2, num_classes=3, augment=1
        )
    )


@pytest.mark.parametrize("make", [augmented_unet, augmented_jit])
def test_vector_zero_is_no_vector_and_another_is_heard(make):
    network = make()
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(0.2 * rng.standard_normal(variable.shape))
    z = tf.constant(rng.standard_normal((2, *SHAPE)), tf.float32)
    t = tf.constant([1, 2]) if make is augmented_unet else tf.constant([0.2, 0.7])
    given = z, t, tf.constant([0, 3])
    plain = network(*given)[0]
    np.testing.assert_array_equal(network(*given, tf.zeros([2, 9]))[0], plain)
    other = network(*given, tf.eye(9)[:2])[0]
    assert np.abs(other - plain).max() > 1e-3


class Seen(NetworkDenoiser):
    """Keeps what the network is given."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.seen = []

    def _within_plan(self, *inputs):
        self.seen.append(inputs)
        return super()._within_plan(*inputs)


def test_each_noisy_picture_comes_with_its_own_vector():
    """Those of vector 0 are the objective's without augmentation, bit for bit."""
    denoise = Seen(augmented_unet(), NoiseSchedule.linear(), apart=False)
    plain = DenoisingObjective(denoise, {}, "sqrt_snr", 0.1, (0, 999))
    objective = AugmentedObjective(plain, 0.1, TRANSFORMS)
    x = tf.random.stateless_uniform([64, *SHAPE], [1, 2], -1.0, 1.0)
    labels, draws = tf.range(64) % 3, objective.draw(0, tf.constant(7), 64)
    denoise.seen.clear()
    denoise._evaluate = denoise._within_plan  # not the copy's
    loss = objective(x, labels, draws)
    reference = plain(x, labels, draws.own)
    (z, _, kept, vector), (z_plain, _, kept_plain) = denoise.seen
    still = ~np.any(vector.numpy(), axis=1)
    same = np.all(z.numpy() == z_plain.numpy(), axis=(1, 2, 3))
    assert 5 < still.sum() < 50
    np.testing.assert_array_equal(same, still)
    np.testing.assert_array_equal(kept, kept_plain)
    np.testing.assert_allclose(
        loss.total[still], reference.total[still], rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow
def test_samples_are_not_mirrored_though_half_of_what_was_learnt_is():
    """Trained on one picture and its mirror image, both are there when asked for."""
    rng = np.random.default_rng(0)
    picture = np.kron(rng.choice([-1.0, 1.0], (4, 4)), np.ones((2, 2)))
    x = tf.constant(np.repeat(picture[None, ..., None], 16, axis=0), tf.float32)
    denoise = NetworkDenoiser(
        small_network(augment=0.5), NoiseSchedule.linear(), apart=False
    )
    variables = {v.path: v.value for v in denoise.network.trainable_variables}
    plain = DenoisingObjective(denoise, variables, "sqrt_snr", 0.1, (0, 999))
    objective = AugmentedObjective(plain, 0.5, ("mirror",))
    adam = keras.optimizers.Adam(3e-3)
    learnt = list(variables.values())

    @tf.function
    def step(number):
        draws = objective.draw(0, number, 16)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective(x, tf.zeros([16], tf.int32), draws).total)
        adam.apply_gradients(zip(tape.gradient(loss, learnt), learnt, strict=True))

    for number in range(400):
        step(tf.constant(number))
    told_mirror = tf.repeat(told(mirror=1).vector, 8, axis=0)
    grid = denoise.schedule.grid(10)
    for vector, wanted in [(None, x), (told_mirror, tf.reverse(x, [2]))]:
        asked = denoise if vector is None else denoise.augmented(vector)
        made = pdm.sample(
            asked.conditioned(tf.zeros([8], tf.int32)),
            pdm.DDIM(),
            grid,
            range(8),
            SHAPE,
        )
        right = tf.reduce_mean(tf.abs(made - wanted[:8]), axis=[1, 2, 3])
        wrong = tf.reduce_mean(tf.abs(made - tf.reverse(wanted[:8], [2])), [1, 2, 3])
        assert np.all(right < 0.25 * wrong), (right, wrong)
