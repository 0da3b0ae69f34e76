"""SVDQuant: smoothing, the branch of low rank, and what is left in 4 bits."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import SVDQuantConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import conditions, layers_of, transformed
from pdm_tf.quantization import svdquant
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.low_rank_layer import (
    LOWEST,
    LowRankLayer,
    round_dynamically,
    round_kernel,
    scales_of,
)
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of

RNG = np.random.default_rng(0)
FOUR = LayerSpec(NumberFormat(4), NumberFormat(4))


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def fitting(base):
    """Of the middle, which stands for all blocks."""
    rows = Rows(
        np.float32(RNG.normal(size=(32, 8, 8, 1))),
        RNG.integers(1000, size=32).astype(np.int32),
        RNG.integers(4, size=32).astype(np.int32),
    )
    config = SVDQuantConfig()
    whole = plan_of(base, spec_of(config), svdquant.layer_maker(config))
    plan = {p: layer for p, layer in whole.items() if p.startswith("middle_")}
    made = Fitting(base, plan, rows, "n", Context(Config(), None))
    svdquant.fit(made, config)
    return made


def test_a_branch_is_the_nearest_of_its_rank():
    matrix = RNG.normal(size=(12, 8))
    s = np.linalg.svd(matrix, compute_uv=False)
    for rank in (0, 3, 8):
        a, b = svdquant.low_rank(matrix, rank)
        left = np.square(matrix - a @ b).sum()
        assert left == pytest.approx(np.square(s[rank:]).sum(), abs=1e-9)


def test_a_grid_is_symmetric_of_64_channels():
    kernel = np.float32(RNG.normal(size=(3, 3, 130, 4)))
    assert scales_of(kernel, 4).shape == (3, 4)
    made = round_kernel(kernel, 4)
    np.testing.assert_array_equal(round_kernel(-kernel, 4), -made)
    assert np.abs(made - kernel).max() <= 0.51 * scales_of(kernel, 4).max()


def test_inputs_have_a_scale_for_each_position():
    x = np.float32(RNG.normal(size=(2, 3, 3, 70)))
    x[0, 0, 0, :64] *= 100  # an outlier spoils its own position and group alone
    off = np.abs(round_dynamically(tf.constant(x), 4) - x)
    assert off[0, 0, 0, :64].max() > 5 and off[1].max() < 0.5
    assert off[0, 0, 0, 64:].max() < 0.5
    silu = tf.nn.silu(tf.constant(x))
    lowest = tf.fill([70], LOWEST)
    unsigned = np.abs(round_dynamically(silu, 4, lowest) - silu)
    signed = np.abs(round_dynamically(silu, 4) - silu)
    assert unsigned[1].mean() < 0.7 * signed[1].mean()


@pytest.mark.parametrize("path", ["middle_0/conv_in", "middle_attention/qkv"])
def test_a_layer_is_residual_and_branch_with_one_bias(base, path):
    layer = layers_of(base.network)[path]
    kernel = layer.kernel.numpy()
    made = LowRankLayer(kernel.shape, FOUR, 3, after_silu=False)
    smooth = np.float32(RNG.uniform(0.5, 2, kernel.shape[-2]))
    whole = kernel * smooth[:, None]
    a, b = svdquant.low_rank(whole.reshape(-1, kernel.shape[-1]), 3)
    made.set_branch(a, b)
    made.set_residual(whole - made.branch().numpy(), smooth)
    size = (2, 2, 2, kernel.shape[-2]) if kernel.ndim == 4 else (8, kernel.shape[-2])
    x = tf.constant(RNG.normal(size=size), tf.float32)
    with transformed({path: made}), conditions(tf.constant([3]), tf.constant([0])):
        found = layer(x)
    even = x / smooth
    wanted = layer.apply_kernel(round_dynamically(even, 4), made.kernel(kernel))
    wanted += layer.apply_kernel(even, made.branch()) + layer.bias
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    constant = made.with_constant_weights()
    with transformed({path: constant}), conditions(tf.constant([3]), tf.constant([0])):
        np.testing.assert_allclose(layer(x), found, atol=1e-6)


def trial_of(rank, channels=16):
    """A projection, one of whose input channels is an outlier, and a dead one."""
    kernel = np.float32(RNG.normal(size=(channels, 8)))
    x = np.float32(RNG.normal(size=(200, channels)))
    x[:, 2] *= 30
    x[:, 3] = 0
    layer = LowRankLayer(kernel.shape, FOUR, rank, after_silu=False)

    def compute(x, kernel):
        return tf.matmul(x, tf.constant(kernel, tf.float32))

    return svdquant._Trial(compute, x, kernel, x @ kernel, layer)


def test_smoothing_without_rounding_changes_nothing():
    trial = trial_of(0)
    factors = list(svdquant._factors(trial))
    assert len(factors) == 39
    for smooth in factors:
        assert smooth[3] == 1  # of nothing
        found = trial.compute(
            tf.constant(trial.x / smooth), trial.kernel * smooth[:, None]
        )
        np.testing.assert_allclose(found, trial.wanted, rtol=1e-3, atol=1e-3)


def test_smoothing_helps_and_a_branch_helps_again():
    errors = []
    trial = trial_of(4)
    for smoothing, rank in ((False, 0), (True, 0), (True, 4)):
        layer = LowRankLayer(trial.kernel.shape, FOUR, rank, after_silu=False)
        svdquant._fit_layer(trial._replace(layer=layer), smoothing, 20)
        even = tf.constant(trial.x / layer.smooth.numpy())
        y = tf.matmul(round_dynamically(even, 4), layer.kernel(trial.kernel))
        y += tf.matmul(even, layer.branch()) if rank else 0.0
        errors.append(float(tf.reduce_mean(tf.square(y - trial.wanted))))
    assert errors[0] > errors[1] > errors[2]


def test_inner_layers_have_branches_and_points_none(fitting):
    own = {p: x for p, x in fitting.plan.items() if isinstance(x, LowRankLayer)}
    assert {p.rpartition("/")[2] for p in own} >= {"conv_in", "conv_out", "qkv", "out"}
    assert own["middle_0/conv_in"].rank == 2  # an eighth of 16
    assert own["middle_0/conv_in"].after_silu
    assert not own["middle_attention/qkv"].after_silu
    assert not isinstance(fitting.plan["middle_attention/query"], LowRankLayer)
    for path, layer in own.items():
        whole = fitting.kernel(path) * layer.smooth.numpy()[:, None]
        found = layer.kernel(tf.zeros(layer.shape)) + layer.branch()
        off = np.abs(found - whole).max()
        assert off <= 0.6 * np.float32(layer.scale).max() + 1e-3, path


@pytest.mark.parametrize("name, value", [("rounds", 0), ("weight_bits", 16)])
def test_settings_that_there_cannot_be_are_refused(base, name, value):
    with pytest.raises(InputError, match=name):
        svdquant.derive(base, SVDQuantConfig(**{name: value}), None)
