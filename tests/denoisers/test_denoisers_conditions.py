"""Denoisers of several conditions: null ones, and guidance of each by itself."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_denoiser, small_network

from pdm_tf.config import SamplingConfig
from pdm_tf.config.conditioning import Attribute, Conditions
from pdm_tf.denoisers import NetworkDenoiser, guided, split
from pdm_tf.denoisers.callback import CallbackDenoiser
from pdm_tf.denoisers.each_guidance import each_guided
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import InputError, SettingError

NAN = float("nan")
Z = tf.random.stateless_normal([3, *SHAPE], (1, 2))
ROWS = np.float32([[1, 0, 0, 0.2], [0, 1, 0, 0.9], [0, 0, 1, 0.5]])
NOTHING = np.full([3, 4], NAN, np.float32)


@pytest.fixture(scope="module")
def base():
    network = small_network(attributes=("age",))
    return NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)


def toy(conditions):
    """A function of what is known and of what is not, which costs nothing."""

    def evaluate(z, t, rows):
        weights = np.arange(1, 1 + conditions.size, dtype=np.float32)
        seen = np.where(np.isnan(rows), np.float32(-0.4), rows) @ weights
        return 0.3 * z + np.sin(seen)[:, None, None, None], np.ones_like(z)

    made = CallbackDenoiser(evaluate, SHAPE, 3, NoiseSchedule.linear())
    made.conditions = conditions
    return made


@pytest.fixture(scope="module")
def cheap():
    """Of the conditions of `base`."""
    return toy(Conditions(3, False, (Attribute("age"),)))


def predicted(denoise, t=500):
    return denoise(Z, denoise.schedule.level(t)).x.numpy()


def test_nothing_given_is_nothing_known(base):
    wanted = predicted(base.conditioned(NOTHING))
    np.testing.assert_array_equal(predicted(base), wanted)
    np.testing.assert_array_equal(predicted(base.conditioned([3, 3, 3])), wanted)


def test_a_class_is_a_row_whose_attributes_are_not_known(base):
    rows = np.concatenate([ROWS[:, :3], NOTHING[:, :1]], axis=1)
    by_row, by_class = base.conditioned(rows), base.conditioned([0, 1, 2])
    np.testing.assert_array_equal(predicted(by_row), predicted(by_class))


@pytest.mark.parametrize("rows", [ROWS[:, :2], np.ones([3, 5], np.float32)])
def test_rows_of_other_columns_are_refused(base, rows):
    with pytest.raises(InputError, match="conditions"):
        base.conditioned(rows)
    with pytest.raises(InputError, match="conditions"):
        small_denoiser().conditioned(rows)


def test_guidance_leads_away_from_nothing_known(cheap):
    got = predicted(guided(cheap, ROWS, 3.0, threshold=None))
    own, null = predicted(cheap.conditioned(ROWS)), predicted(cheap)
    assert np.abs(own - null).min() > 1e-3
    np.testing.assert_allclose(got, 3 * own - 2 * null, atol=1e-4)


def test_of_one_condition_its_own_weight_is_classifier_free_guidance():
    denoise, rows = toy(Conditions(3, True, ())), ROWS[:, :3]
    each = each_guided(denoise, ("classes=3",)).conditioned(rows)
    wanted = predicted(guided(denoise, rows, 3.0, threshold=None))
    np.testing.assert_allclose(predicted(each), wanted, atol=1e-4)


def test_each_is_led_away_from_the_estimate_without_it(cheap):
    weights = {"classes": (2.5, [0, 1, 2]), "age": (4.0, [3])}
    own = predicted(cheap.conditioned(ROWS))
    wanted = own.copy()
    for weight, columns in weights.values():
        left = ROWS.copy()
        left[:, columns] = NAN
        wanted += (weight - 1) * (own - predicted(cheap.conditioned(left)))
    given = tuple(f"{name}={weight}" for name, (weight, _) in weights.items())
    each = each_guided(cheap, given).conditioned(ROWS)
    np.testing.assert_allclose(predicted(each), wanted, atol=1e-4)


def test_constant_weights_are_led_as_the_others(base):
    each = each_guided(base, ("age=4",)).conditioned(ROWS)
    constant = each.with_constant_weights()
    np.testing.assert_allclose(predicted(constant), predicted(each), atol=1e-4)
    assert each.variables.keys() == base.variables.keys()


def test_nothing_known_is_led_nowhere_and_a_weight_of_one_is_none(cheap):
    assert each_guided(cheap, ()) is cheap
    assert each_guided(cheap, ("age=1",)) is cheap
    each = each_guided(cheap, ("age=5", "classes=2"))
    np.testing.assert_array_equal(predicted(each), predicted(cheap))
    got = predicted(each.conditioned(NOTHING))
    np.testing.assert_allclose(got, predicted(cheap), atol=1e-6)


def test_weights_add_to_the_guidance_of_all(cheap):
    sampling = SamplingConfig(thresholding="none", guidance_each=("age=4",))
    got = predicted(for_sampling(cheap, tf.constant(ROWS), 2.0, sampling))
    own, null = predicted(cheap.conditioned(ROWS)), predicted(cheap)
    left = ROWS.copy()
    left[:, 3] = NAN
    led = own + 3 * (own - predicted(cheap.conditioned(left)))
    np.testing.assert_allclose(got, 2 * led - null, atol=1e-4)


@pytest.mark.parametrize("given", [("aeg=2",), ("age=x",), ("age",)])
def test_weights_of_no_condition_are_refused(base, given):
    with pytest.raises(SettingError, match="guidance_each"):
        each_guided(base, given)
    with pytest.raises(SettingError, match="guidance_each"):
        each_guided(small_denoiser(), ("age=2",))


def test_parts_of_a_split_share_their_conditions(base):
    both = split(base, base, snr=1.0)
    got = predicted(both.conditioned(ROWS))
    np.testing.assert_array_equal(got, predicted(base.conditioned(ROWS)))
    with pytest.raises(InputError, match="conditions"):
        split(base, small_denoiser(), snr=1.0)


def test_a_network_elsewhere_gets_the_rows():
    seen = []

    def evaluate(z, t, labels):
        seen.append(labels)
        return z, np.ones_like(z)

    elsewhere = CallbackDenoiser(evaluate, SHAPE, 3, NoiseSchedule.linear())
    elsewhere.conditions = Conditions(3, False, (Attribute("age"),))
    predicted(elsewhere.conditioned(ROWS))
    predicted(elsewhere)
    np.testing.assert_array_equal(seen[0], ROWS)
    np.testing.assert_array_equal(seen[1], NOTHING)
