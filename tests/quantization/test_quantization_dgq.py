"""DGQ: groups of channels, and attention on a logarithmic grid."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import DGQConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.quantization import dgq
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.log_softmax import LogSoftmax, log_rounded
from pdm_tf.quantization.observing import InputStatistics
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of

RNG = np.random.default_rng(0)
# Channels of very different size, two of them alike.
X = np.float32(RNG.normal(size=(4, 32, 6)) * [0.1, 0.12, 1, 1.1, 8, 9])
SEEN = InputStatistics(X.min(axis=1), X.max(axis=1), X[:, :8], np.full(4, 32))


def error_of(group, bits=4):
    layer = QuantizedLayer((6, 2), LayerSpec(None, NumberFormat(bits), groups=6))
    layer.group.assign(group)
    fit_ranges(layer, SEEN, [np.arange(4)])
    x = tf.constant(X.reshape(-1, 6))
    return np.square(layer.inputs(x, tf.constant([0])) - x).mean()


def test_channels_of_like_range_come_together():
    found = dgq.groups_of(X.min(axis=(0, 1)), X.max(axis=(0, 1)), 3)
    assert found[4] == found[5] != found[0] and found[2] == found[3] != found[4]


def test_as_many_groups_as_channels_are_one_each():
    assert dgq.groups_of(np.zeros(5), np.ones(5), 8).tolist() == [0, 1, 2, 3, 4]


def test_equal_channels_make_fewer_groups_and_none_is_empty():
    assert set(dgq.groups_of(np.zeros(9), np.ones(9), 4)) == {0}


def test_one_group_is_a_range_of_the_whole():
    one = QuantizedLayer((6, 2), LayerSpec(None, NumberFormat(6), groups=1))
    fit_ranges(one, SEEN, [np.arange(4)])
    assert one.low.shape == (1, 1) and "group" not in one.variables
    wanted = tf.constant(X.reshape(-1, 6))
    spanned = one.high.numpy() - one.low.numpy()
    assert spanned >= wanted.numpy().max() - wanted.numpy().min() - 1e-4


def test_splitting_a_group_never_errs_more():
    groups = [[0] * 6, [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], list(range(6))]
    errors = [error_of(group) for group in groups]
    assert errors[0] > errors[1] > errors[2] >= 0.99 * errors[3]


# --- attention ------------------------------------------------------------------------


def test_powers_of_two_below_the_largest_are_exact():
    d = 0.7
    p = tf.constant(d * 2.0 ** -np.arange(16), tf.float32)
    np.testing.assert_allclose(log_rounded(p, tf.constant(d), 4), p, rtol=1e-5)


def test_the_relative_error_is_bounded_and_zero_is_no_trouble():
    p = tf.constant(np.exp2(RNG.uniform(-30, 0, 2000)), tf.float32)
    off = np.abs(log_rounded(p, tf.constant(1.0), 6) / p - 1)
    assert off.max() <= 2**0.5 - 1 + 1e-5
    none = log_rounded(tf.zeros([1]), tf.constant(1.0), 6)
    assert float(none[0]) == pytest.approx(0, abs=1e-12)


def test_six_bits_of_logarithm_keep_more_than_twice_what_uniform_ones_do():
    logits = tf.constant(RNG.normal(0, 3, (4, 2, 16, 16)), tf.float32)
    p = tf.nn.softmax(logits)
    made = LogSoftmax(LayerSpec(None, NumberFormat(6, "log2"))).inputs(p, None)
    uniform = tf.quantization.fake_quant_with_min_max_vars(p, 0.0, 1.0, 6)

    def divergence(q):
        q = (q + 1e-6) / tf.reduce_sum(q + 1e-6, -1, keepdims=True)
        return float(tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p / q), -1)))

    assert divergence(made) <= 0.5 * divergence(uniform)
    drift = np.abs(tf.reduce_sum(made, -1) - 1)  # rows are left as they are
    assert 0 < drift.mean() < 0.2


# --- the method -----------------------------------------------------------------------


def test_layers_have_groups_and_softmax_has_none():
    base = small_denoiser()
    rows = Rows(
        np.float32(RNG.normal(size=(8, 8, 8, 1))),
        np.arange(8, dtype=np.int32),
        np.zeros(8, np.int32),
    )
    config = DGQConfig(groups=4)
    spec = spec_of(config, inner=LayerSpec(groups=4)).with_first(r".*/softmax", "log2")
    plan = plan_of(base, spec)
    assert isinstance(plan["middle_attention/softmax"], LogSoftmax)
    assert plan["middle_attention/query"].spec.activations.scheme == "affine"
    some = {p: layer for p, layer in plan.items() if p.startswith("middle_")}
    dgq.fit(Fitting(base, some, rows, "n", Context(Config(), None)), config)
    for path in ("middle_0/conv_in", "middle_attention/qkv"):
        assert len(set(some[path].group.numpy())) == 4
        assert some[path].low.shape == (1, 4) and some[path].scale.shape[0] == 1
    assert plan["patches_in"].input_groups == 1


@pytest.mark.parametrize("groups", [0, 256])
def test_groups_that_there_are_not_are_refused(groups):
    with pytest.raises(InputError, match="groups"):
        dgq.derive(small_denoiser(), DGQConfig(groups=groups), None)
