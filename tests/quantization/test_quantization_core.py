"""What all quantisation rests on: codes, grids, ranges, specs, layers."""

from math import ceil

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.adapters import lora_plan
from pdm_tf.config import InputError
from pdm_tf.config.quantization import QuantizedConfig
from pdm_tf.networks.transforms import layers_of, points_of, transformed
from pdm_tf.quantization.cost import bit_operations, multiplications, stored_bytes
from pdm_tf.quantization.deriving import kernel_of, plan_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, QuantizationSpec, spec_of
from pdm_tf.quantization.uniform import (
    NORM,
    fake_quantized,
    fake_quantized_by,
    find_grid,
    grid_of,
    range_of,
    rounded,
)

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


# --- codes ----------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 17))
def test_codes_take_their_bits_and_come_back(bits):
    codes = RNG.integers(2**bits, size=(3, 7, 5))
    packed = pack(codes, bits)
    assert packed.dtype == np.uint8
    assert packed.size == packed_size(codes.size, bits) == ceil(codes.size * bits / 8)
    found = unpack(tf.constant(packed), bits, codes.size)
    np.testing.assert_array_equal(found.numpy().reshape(codes.shape), codes)


def test_a_code_that_needs_more_bits_is_refused():
    with pytest.raises(ValueError):
        pack(np.array([0, 16]), 4)


# --- grids ----------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_grid_holds_zero_and_errs_by_half_a_step(bits, scheme):
    x = RNG.normal(0.3, 1.0, (500, 6)).astype(np.float32)
    scale, zero = find_grid(x, NumberFormat(bits, scheme), "min_max")
    assert rounded(np.zeros(6, np.float32), scale, zero, bits).tolist() == [0] * 6
    off = np.abs(rounded(x, scale, zero, bits) - x)
    # An affine grid is moved by up to half a step, so that zero is on it.
    assert (off <= scale * (0.5001 if scheme == "symmetric" else 1.0001)).all()


@pytest.mark.parametrize("bits", [3, 4])
def test_searched_ranges_are_never_worse_than_spanned_ones(bits):
    x = RNG.standard_t(3, (400, 8)).astype(np.float32)  # outliers

    def errors(search):
        scale, zero = find_grid(x, NumberFormat(bits), search)
        return (np.abs(x - rounded(x, scale, zero, bits)) ** NORM).mean(axis=0)

    assert (errors("mse") <= errors("min_max")).all()
    assert errors("mse").sum() < 0.9 * errors("min_max").sum()


def test_a_layer_of_zeros_has_a_grid():
    scale, zero = grid_of(np.zeros(2), np.zeros(2), NumberFormat(4))
    assert scale.tolist() == [1, 1] and zero.tolist() == [0, 0]


@pytest.mark.parametrize("bits", [4, 8])
def test_the_operation_rounds_as_the_formula(bits):
    x = RNG.normal(size=(64, 3)).astype(np.float32)
    scale, zero = grid_of(np.array(-1.3), np.array(2.1), NumberFormat(bits))
    low, high = range_of(scale, zero, bits)
    made = fake_quantized(tf.constant(x), tf.constant(low), tf.constant(high), bits)
    np.testing.assert_allclose(made, rounded(x, scale, zero, bits), atol=1e-6)
    each = [tf.fill([3], v) for v in (low, high)]
    np.testing.assert_allclose(fake_quantized(tf.constant(x), *each, bits), made)


def test_gradients_are_straight_through_and_reach_the_step():
    x = tf.constant([-3.0, 0.26, 0.9, 3.0])
    scale, zero = tf.constant(0.5), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch([x, scale])
        y = fake_quantized_by(x, scale, zero, 2)  # codes 0 to 3
    np.testing.assert_allclose(y, [-1.0, 0.5, 0.5, 0.5])
    to_x, to_scale = tape.gradient(y, [x, scale])
    np.testing.assert_array_equal(to_x, [0, 1, 0, 0])
    # Inside: round(x/s) - x/s; outside: the code less zero (arXiv 1902.08153, eq. 3).
    assert float(to_scale) == pytest.approx(-2 + (1 - 0.52) + 1 + 1)


# --- specs ----------------------------------------------------------------------------


def test_the_first_rule_that_fits_counts():
    one, two = LayerSpec(NumberFormat(4)), LayerSpec(NumberFormat(2))
    spec = QuantizationSpec((("a", one), ("a|b.*", two)))
    assert spec.of("a") is one and spec.of("bc") is two and spec.of("c") is None


def test_outer_layers_keep_more_bits(base):
    spec = spec_of(QuantizedConfig(weight_bits=4, activation_bits=6))
    for path in layers_of(base.network):
        outer = path.startswith(("patches", "time", "variance"))
        found = spec.of(path)
        assert found.weights.bits == (8 if outer else 4), path
        assert found.activations.bits == (8 if outer else 6), path
    for path in points_of(base.network):
        assert spec.of(path) == LayerSpec(None, NumberFormat(8)), path


@pytest.mark.parametrize("name", ["weight_bits", "activation_bits", "attention_bits"])
@pytest.mark.parametrize("bits", [0, 1, 17, -4, 64])
def test_bits_that_there_are_not_are_refused(name, bits):
    with pytest.raises(InputError, match="32 for float32"):
        spec_of(QuantizedConfig(**{name: bits}))


# --- layers ---------------------------------------------------------------------------


def layer_of(shape=(3, 3, 6, 4), bits=4, **settings):
    spec = LayerSpec(NumberFormat(bits), NumberFormat(bits))
    return QuantizedLayer(shape, spec, **settings)


def test_a_kernel_is_its_codes_whatever_the_base_has():
    kernel = RNG.normal(size=(3, 3, 6, 4)).astype(np.float32)
    layer = layer_of(kernel.shape)
    round_to_nearest(layer, kernel)
    made = layer.kernel(tf.zeros(kernel.shape)).numpy()
    scale = layer.scale.numpy()
    assert np.abs(made - kernel).max() <= scale.max()
    assert (np.abs(made - kernel) <= 1.0001 * scale).all()  # each channel its own
    constant = layer.with_constant_weights().kernel(tf.zeros(kernel.shape))
    np.testing.assert_array_equal(constant, made)


def test_a_split_of_equal_ranges_is_none():
    kernel = RNG.normal(size=(1, 1, 6, 4)).astype(np.float32)
    kernel[:, :, 3:] = kernel[:, :, :3]  # both halves span the same
    whole, halves = layer_of(kernel.shape), layer_of(kernel.shape, seam=3)
    for layer in (whole, halves):
        round_to_nearest(layer, kernel)
        layer.set_ranges(*(np.full(layer.low.shape, v) for v in (-1.0, 2.0)))
    np.testing.assert_array_equal(
        whole.kernel(tf.constant(kernel)), halves.kernel(tf.constant(kernel))
    )
    x, t = tf.constant(RNG.normal(size=(2, 3, 3, 6)), tf.float32), tf.constant([7])
    np.testing.assert_allclose(whole.inputs(x, t), halves.inputs(x, t), atol=1e-6)


def test_halves_of_different_size_gain_from_a_split():
    kernel = RNG.normal(size=(1, 1, 6, 4)).astype(np.float32)
    kernel[:, :, 3:] *= 0.05
    errors = []
    for seam in (0, 3):
        layer = layer_of(kernel.shape, seam=seam)
        round_to_nearest(layer, kernel)
        made = layer.kernel(tf.constant(kernel)).numpy()
        errors.append(np.abs(made - kernel)[:, :, 3:].max())
    assert errors[1] < 0.2 * errors[0]


@pytest.mark.parametrize("seam", [0, 3])
def test_equal_ranges_of_all_steps_are_a_static_range(seam):
    step_of = np.repeat([0, 1, 2], 4).astype(np.int32)
    static, stepped = layer_of(seam=seam), layer_of(seam=seam, step_of=step_of)
    for layer in (static, stepped):
        layer.set_ranges(*(np.full(layer.low.shape, v) for v in (-1.0, 2.0)))
    x = tf.constant(RNG.normal(size=(3, 2, 2, 6)), tf.float32)
    wanted = static.inputs(x, tf.constant([0]))
    for t in ([5], [0, 6, 11]):
        np.testing.assert_allclose(stepped.inputs(x, tf.constant(t)), wanted, atol=1e-6)


def test_each_picture_has_the_range_of_its_own_step():
    layer = layer_of((6, 4), step_of=np.array([0, 1], np.int32))
    layer.set_ranges(np.array([[-1.0], [-4.0]]), np.array([[1.0], [4.0]]))
    x = tf.constant(RNG.normal(0, 3, (10, 6)), tf.float32)  # 5 tokens of 2 pictures
    both = layer.inputs(x, tf.constant([0, 1])).numpy()
    np.testing.assert_array_equal(both[:5], layer.inputs(x[:5], tf.constant([0])))
    np.testing.assert_array_equal(both[5:], layer.inputs(x[5:], tf.constant([1])))
    assert np.abs(both[:5]).max() < 1.1 < np.abs(both[5:]).max()


def test_a_base_with_an_adapter_is_quantised_with_it(base):
    path = "middle_0/conv_in"
    plan = lora_plan(base.network, rank=2, layers=path)
    plan[path].b.assign_add(tf.ones_like(plan[path].b))
    adapted = base.with_plan(plan)
    wanted = layers_of(base.network)[path].kernel.numpy() + plan[path].change().numpy()
    np.testing.assert_allclose(kernel_of(adapted, path), wanted, atol=1e-6)


def test_points_of_attention_can_be_changed(base):
    class Zeroed(QuantizedLayer):
        def inputs(self, x, t):
            return tf.zeros_like(x)

    plan = {"middle_attention/value": Zeroed((), LayerSpec())}
    block = next(b for b in base.network.middle if b.name == "middle_attention")
    x = tf.constant(RNG.normal(size=(2, 2, 2, block.channels)), tf.float32)
    plain = block(x)
    with transformed(plan):
        given = base.with_plan(plan)(
            tf.zeros([1, *base.image_shape]), base.schedule.level(3)
        )
    assert np.isfinite(given.x).all() and np.isfinite(plain).all()


# --- cost -----------------------------------------------------------------------------


def quantised_by(base, **bits):
    config = QuantizedConfig(**{"outer_bits": 4, **bits})
    return base.with_plan(plan_of(base, spec_of(config)))


def test_four_bits_take_half_of_eight(base):
    kernels = sum(
        layer.kernel.numpy().size for layer in layers_of(base.network).values()
    )
    four, eight = (
        stored_bytes(quantised_by(base, weight_bits=b, outer_bits=b)) for b in (4, 8)
    )
    assert eight - four == pytest.approx(kernels / 2, abs=len(layers_of(base.network)))
    assert stored_bytes(base) - eight < 3 * kernels


@pytest.fixture(scope="module")
def counts(base):
    return multiplications(base)


def test_operations_count_the_bits_of_both_factors(base, counts):
    low = quantised_by(type(base)(base.network, base.schedule), weight_bits=4)
    # All layers but the outer ones have 4 and 8 bits; those have 4 and 8 too.
    assert bit_operations(low) == 4 * 8 * sum(counts.values())


def test_multiplications_are_those_of_convolutions(counts):
    assert counts["patches_in"] == 4 * 4 * 9 * 4 * 8  # positions, kernel
    assert counts["middle_attention/qkv"] == 2 * 2 * 16 * 48
    assert counts["up_1_sample/conv"] == 4 * 4 * 4 * 16 * 8  # four of nine products
