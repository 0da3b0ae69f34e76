"""Laws of guidance by an energy: exact where the posterior is, nothing without."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.label_guidance import label_guided
from pdm_tf.editing.cycle import translate
from pdm_tf.editing.energy import EnergyGuided, class_energy, led
from pdm_tf.errors import InputError
from pdm_tf.samplers import DDIM, sample_from

SHAPE = (8, 8, 1)
TOY = GaussianToy(image_shape=SHAPE)
C = tf.random.stateless_normal([1, *SHAPE], [0, 1])
Z = tf.random.stateless_normal([4, *SHAPE], [0, 2])


def tilted(strength):
    """N(0, s²) times exp(-strength · <C, x>), by guidance."""
    return EnergyGuided(TOY, lambda x: C + tf.zeros_like(x), strength)


@pytest.mark.parametrize("t", [10, 500, 900])
def test_a_linear_energy_moves_the_mean_of_normal_pictures(t):
    """The product is N(-s² C, s²): its estimate has a closed form at every level."""
    level = TOY.schedule.level(t)
    a, variance = float(level.alpha), TOY.std**2
    total = a * variance + 1 - a
    mean = -0.3 * variance * C
    wanted = mean + np.sqrt(a) * variance / total * (Z - np.sqrt(a) * mean)
    np.testing.assert_allclose(tilted(0.3)(Z, level).x, wanted, atol=1e-5)


def test_without_strength_no_bit_changes():
    grid = TOY.schedule.grid(8)
    plain, none = (sample_from(d, DDIM(), grid, [0], Z[:1]) for d in (TOY, tilted(0.0)))
    np.testing.assert_array_equal(plain, none)


def test_a_translation_by_energy_is_a_shift_here():
    x = 0.5 * Z
    grid = TOY.schedule.grid(200)
    made = translate(TOY, tilted(1.0), grid, range(4), x, strength=1.0)
    np.testing.assert_allclose(made, x - 0.25 * C, atol=0.05)


class Read:
    """A classifier that is sure of a class by its mean."""

    num_classes, image_shape = 2, SHAPE

    def __call__(self, z, time):
        mean = tf.reduce_mean(z, axis=[1, 2, 3])
        return 20.0 * tf.stack([-mean, mean], axis=1)


@pytest.fixture
def classifier(monkeypatch):
    monkeypatch.setattr(
        "pdm_tf.denoisers.label_guidance.function_of", lambda n, body, *_: body
    )
    return label_guided(TOY, Read())


def test_each_picture_is_led_to_its_own_class(classifier):
    labels = np.array([0, 1, 0, 1], np.int32)
    slope = class_energy(classifier, labels)
    x = tf.Variable(0.1 * Z)
    with tf.GradientTape() as tape:
        read = tf.nn.log_softmax(Read()(x, None))
        energy = -tf.reduce_sum(tf.gather(read, labels, axis=1, batch_dims=1))
    np.testing.assert_allclose(slope(x), tape.gradient(energy, x), atol=1e-6)
    target = led(TOY, classifier, labels, 4.0, SamplingConfig(thresholding="static"))
    made = translate(TOY, target, TOY.schedule.grid(50), range(4), 0.5 * Z)
    assert (np.argmax(Read()(made, None), axis=1) == labels).all()


def test_a_model_without_derivatives_cannot_be_led(classifier):
    from pdm_tf.denoisers.callback import CallbackDenoiser

    callback = CallbackDenoiser(
        lambda z, t, _: tuple(v.numpy() for v in TOY(z, TOY.schedule.level(t))),
        *(SHAPE, 0, TOY.schedule),
    )
    with pytest.raises(InputError, match="energy needs derivatives"):
        led(callback, classifier, np.zeros(2, np.int32), 1.0, SamplingConfig())
