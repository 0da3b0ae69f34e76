"""Floating-point formats of few bits: their numbers, rounding, learned rounding."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import LowBitFloatConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.quantization import low_bit_float
from pdm_tf.quantization.blocks import read_block
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.float_format import find_format, positives, round_to_format
from pdm_tf.quantization.float_layer import FloatLayer, SoftFloat
from pdm_tf.quantization.reconstruction import (
    Recipe,
    error_of,
    learn_rounding,
    weights_only,
)
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of

RNG = np.random.default_rng(0)
FORMATS = [(8, 5), (8, 4), (8, 3), (8, 2), (4, 3), (4, 2), (4, 1)]


def rounded(x, largest, bits, exponent):
    x = tf.constant(x, tf.float32)
    return round_to_format(x, tf.constant(largest, tf.float32), bits, exponent).numpy()


@pytest.mark.parametrize(
    "exponent, largest, wanted",
    [
        (2, 6, [0, 0.5, 1, 1.5, 2, 3, 4, 6]),
        (3, 16, [0, 0.25, 0.5, 1, 2, 4, 8, 16]),
        (1, 1.75, [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]),
    ],
)
def test_the_numbers_of_four_bits(exponent, largest, wanted):
    np.testing.assert_allclose(largest * positives(4, exponent), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "exponent, largest, finite, kind",
    [
        (4, 480.0, 448.0, ml_dtypes.float8_e4m3fn),  # which has no code above 448
        (5, 114688.0, 57344.0, ml_dtypes.float8_e5m2),
    ],
)
def test_eight_bits_round_as_ml_dtypes_value_for_value(exponent, largest, finite, kind):
    every = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)
    every = every[np.isfinite(every)]
    sizes = np.exp2(RNG.uniform(-18, np.log2(finite), 20_000))
    x = np.concatenate([every, sizes * RNG.choice([-1, 1], sizes.size)])
    x = np.float32(x[np.abs(x) <= finite])
    wanted = x.astype(kind).astype(np.float32)
    np.testing.assert_array_equal(rounded(x, largest, 8, exponent), wanted)


@pytest.mark.parametrize("bits, exponent", FORMATS)
def test_rounding_is_idempotent_monotone_odd_and_nearest(bits, exponent):
    x = np.sort(np.float32(RNG.normal(0, 1, 2000)))
    y = rounded(x, 1.3, bits, exponent)
    np.testing.assert_allclose(rounded(y, 1.3, bits, exponent), y, rtol=1e-6)
    assert (np.diff(y) >= 0).all()
    np.testing.assert_array_equal(rounded(-x, 1.3, bits, exponent), -y)
    numbers = 1.3 * positives(bits, exponent)
    numbers = np.concatenate([-numbers, numbers])
    nearest = np.abs(x[:, None] - numbers).min(axis=1)
    np.testing.assert_allclose(np.abs(x - y), nearest, atol=1e-6)


def test_a_format_is_chosen_by_its_error():
    even = np.linspace(-1, 1, 4001, dtype=np.float32)[:, None]
    assert find_format(even, 4)[0] == 1  # a uniform grid for uniform numbers
    tails = np.float32(RNG.standard_t(2, 4000))[:, None]
    assert find_format(tails, 4)[0] > 1


@pytest.mark.parametrize("bits", [4, 8])
def test_a_layer_keeps_its_rounded_kernel_in_codes(bits):
    kernel = np.float32(RNG.normal(size=(3, 3, 6, 4)))
    layer = FloatLayer(kernel.shape, LayerSpec(NumberFormat(bits, "float")))
    layer.round_kernel(kernel)
    wanted = rounded(kernel, layer.largest.numpy(), bits, int(layer.exponent.numpy()))
    made = layer.kernel(tf.zeros(kernel.shape)).numpy()
    np.testing.assert_allclose(made, wanted, rtol=1e-6, atol=1e-7)
    assert layer.codes.shape[0] == kernel.size * bits // 8
    constant = layer.with_constant_weights().kernel(tf.zeros(kernel.shape))
    np.testing.assert_array_equal(constant, made)


def test_a_soft_kernel_starts_as_the_kernel_and_hardens_to_nearest():
    kernel = np.float32(RNG.normal(size=(6, 5)))
    layer = FloatLayer(kernel.shape, LayerSpec(NumberFormat(4, "float")))
    layer.round_kernel(kernel)
    nearest = layer.kernel(tf.constant(kernel)).numpy()
    soft = SoftFloat(layer, kernel)
    largest = layer.largest.numpy()
    np.testing.assert_allclose(
        soft.kernel(tf.constant(kernel)), np.clip(kernel, -largest, largest), atol=1e-5
    )
    soft.store()
    np.testing.assert_allclose(layer.kernel(tf.constant(kernel)), nearest, atol=1e-6)


def test_learned_rounding_of_four_bits_is_nearer_than_nearest():
    base = small_denoiser()
    rows = Rows(
        np.float32(RNG.normal(size=(24, 8, 8, 1))),
        RNG.integers(1000, size=24).astype(np.int32),
        RNG.integers(4, size=24).astype(np.int32),
    )
    config = LowBitFloatConfig(weight_bits=4, outer_bits=8)
    plan = plan_of(base, spec_of(config, scheme="float"))
    own = {p: layer for p, layer in plan.items() if p.startswith("middle_0/")}
    fitting = Fitting(base, own, rows, "n", Context(Config(), lambda: None))
    for path, layer in own.items():
        layer.round_kernel(fitting.kernel(path))
    block, data = base.network.middle[0], read_block(base, {}, rows, "middle_0")
    first = error_of(block, {}, weights_only(own), data)
    soft = {path: SoftFloat(layer, fitting.kernel(path)) for path, layer in own.items()}
    learn_rounding(block, {}, soft, data, Recipe(60, 0, 8, 3e-2, 0.0))
    for rounding in soft.values():
        rounding.store()
    assert error_of(block, {}, weights_only(own), data) < 0.95 * first


@pytest.mark.parametrize("bits", [3, 6, 16])
def test_bits_without_a_format_are_refused(bits):
    with pytest.raises(InputError, match="4 or 8"):
        low_bit_float.derive(
            small_denoiser(), LowBitFloatConfig(weight_bits=bits), None
        )
