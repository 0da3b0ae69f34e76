"""BinaryDM: signs with scales, trained beside the features of the network itself."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser
from tiny_runs import sampled

from pdm_tf import assemble
from pdm_tf.assemble import lineage, training
from pdm_tf.config import InputError
from pdm_tf.config.quantization import BinaryDMConfig
from pdm_tf.networks.transforms import layers_of
from pdm_tf.objectives.feature_distillation import distance, principal_axes
from pdm_tf.quantization import binarydm
from pdm_tf.quantization.binary_layer import (
    BinaryLayer,
    TrainedBinary,
    find_scales,
    sign,
)
from pdm_tf.quantization.cost import plan_bits
from pdm_tf.quantization.spec import LayerSpec, NumberFormat
from pdm_tf.training import train_loop
from pdm_tf.training.train_loop import Ending

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 3, 6, 5)).astype(np.float32)
QUICK = BinaryDMConfig(
    calibration_images=2,
    calibration_steps=3,
    iterations=4,
    batch_size=4,
    save_every=2,
    warmup=1,
)


def layer_of(bases, shape=W.shape, bits=4):
    read = NumberFormat(bits, "symmetric")
    return BinaryLayer(shape, LayerSpec(NumberFormat(bases, "binary"), read))


def binary(kernel, bases):
    layer = layer_of(bases, kernel.shape)
    layer.store(kernel, find_scales(kernel, bases), np.zeros(kernel.shape[-1]))
    return layer


def errors_of(kernel, bases):
    """Squared error of each output channel over the kernel's power."""
    off = binary(kernel, bases).kernel(tf.constant(kernel)) - kernel
    axes = tuple(range(kernel.ndim - 1))
    return np.square(off).sum(axis=axes) / np.square(kernel).sum(axis=axes)


# --- signs ----------------------------------------------------------------------------


def test_one_basis_of_gaussian_weights_errs_by_0_363_and_two_by_0_131():
    w = RNG.normal(size=(200_000, 1)).astype(np.float32)
    assert errors_of(w, 1)[0] == pytest.approx(0.363, abs=0.005)
    assert errors_of(w, 2)[0] == pytest.approx(0.131, abs=0.005)
    closed = 1 - np.abs(w).mean() ** 2 / np.square(w).mean()
    assert errors_of(w, 1)[0] == pytest.approx(closed, abs=1e-5)


def test_a_second_basis_never_errs_more_in_any_channel():
    assert (errors_of(W, 2) <= errors_of(W, 1)).all()


def test_the_scale_is_that_of_least_squares_given_the_signs():
    flat = W.reshape(-1, W.shape[-1])
    signs = np.where(flat >= 0, 1.0, -1.0)
    wanted = (flat * signs).sum(axis=0) / len(flat)
    np.testing.assert_allclose(find_scales(W, 1)[0], wanted, rtol=1e-5)


def test_signs_are_packed_into_bits_and_zero_is_up():
    kernel = np.array([[0.0, -1.0], [2.0, -0.0], [-3.0, 4.0]], np.float32)
    layer = binary(kernel, 1)
    assert layer.codes.shape == (1,)  # six bits
    found = np.sign(layer.kernel(tf.constant(kernel)))
    np.testing.assert_array_equal(found, [[1, -1], [1, 1], [-1, 1]])
    assert binary(W, 1).codes.shape[0] == np.ceil(W.size / 8)
    assert binary(W, 2).codes.shape[0] == np.ceil(W.size / 4)


@pytest.mark.parametrize("bases", [1, 2])
def test_what_is_stored_is_what_was_trained(bases):
    layer = layer_of(bases)
    learner = TrainedBinary(layer, W, step=0.3, started=2)
    learner.log_scales.assign_add(0.1 * tf.ones_like(learner.log_scales))
    learner.shift.assign(tf.range(5.0))
    learner.store()
    w, x = tf.constant(W), tf.constant(RNG.normal(size=(2, 4, 4, 6)), tf.float32)
    np.testing.assert_allclose(layer.kernel(w), learner.kernel(w), rtol=1e-6)
    for one in (layer, learner):
        assert len(np.unique(one.inputs(2 * x, tf.constant([0])))) == 16
    read = (one.inputs(x, tf.constant([0])) for one in (layer, learner))
    np.testing.assert_allclose(*read, atol=1e-5)
    outputs = (one.output(x[..., :5], x, None) for one in (layer, learner))
    np.testing.assert_array_equal(*outputs)


def test_the_second_basis_of_a_layer_that_ends_with_one_fades():
    learner, w = TrainedBinary(layer_of(1), W, 0.3, started=2), tf.constant(W)
    made = [learner.at(tf.constant(share)).kernel(w) for share in (1.0, 0.5, 0.0)]
    np.testing.assert_allclose(made[0], binary(W, 2).kernel(w), rtol=1e-5)
    np.testing.assert_allclose(made[1], (made[0] + made[2]) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made[2], binary(W, 1).kernel(w), rtol=1e-5)
    assert learner.at(tf.constant(1.0)).weights is learner.weights


def test_gradients_of_signs_pass_within_one_and_through_both_bases():
    x = tf.Variable([-2.0, -0.5, 0.0, 0.5, 2.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(3.0 * sign(x))
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 3, 3, 3, 0])
    learner = TrainedBinary(layer_of(2), W / 9, 0.3, started=2)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(learner.kernel(tf.constant(W)))
    s1, s2 = (np.exp(v) for v in learner.log_scales.numpy())
    # d/dw of s1 sgn(w) + s2 sgn(w - s1 sgn(w)), all within reach of the gradient.
    wanted = np.broadcast_to(s1 + s2 * (1 - s1), W.shape)
    np.testing.assert_allclose(tape.gradient(y, learner.weights), wanted, rtol=1e-4)


# --- features -------------------------------------------------------------------------


def test_axes_are_orthonormal_and_the_first_holds_the_most():
    mixed = RNG.normal(size=(8, 8)) * np.arange(1, 9)
    features = RNG.normal(size=(6, 4, 4, 8)) @ mixed
    axes = principal_axes(features)
    assert axes.shape == (8, 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-5)
    spread = (features.reshape(-1, 8) @ principal_axes(features, 1.0)).std(axis=0)
    assert (np.diff(spread) <= 1e-6).all()


def test_the_distance_sees_the_axes_alone():
    axes = [np.eye(4, dtype=np.float32)[:, :1]]
    own, wanted = tf.zeros([2, 3, 3, 4]), tf.constant([2.0, 9.0, 9.0, 9.0])
    found = distance([own], [own + wanted], axes)
    np.testing.assert_allclose(found, [4.0, 4.0])


# --- the method -----------------------------------------------------------------------


def test_the_finest_levels_have_two_bases_and_outer_layers_are_float():
    spec = binarydm.spec_of(BinaryDMConfig())
    bits = {path: spec.of(path) for path in layers_of(small_denoiser().network)}
    for path, found in bits.items():
        outer = path.startswith(("patches", "time_", "variance"))
        assert (found.weights is None) == outer
        if not outer:
            assert found.weights.bits == (1 if path.startswith("middle") else 2)
            assert found.activations.bits == 4
    assert spec.of("down_2_0/conv_in").weights.bits == 1


@pytest.mark.parametrize(
    ("name", "value"), [("weight_bits", 4), ("bases", 3), ("activation_bits", 1)]
)
def test_what_there_cannot_be_is_refused(name, value):
    with pytest.raises(InputError, match=name):
        binarydm.spec_of(replace(BinaryDMConfig(), **{name: value}))


@pytest.mark.slow  # tests/assemble stops and goes on in the quick set
def test_a_training_that_was_stopped_ends_with_the_same_bits(
    tiny_run, tmp_path, monkeypatch
):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    quiet = {"note": lambda line: None}
    assert assemble.derive("binarydm", tiny_run, straight, QUICK, **quiet)

    def run(settings, *others):
        ending = train_loop.run(replace(settings, iterations=2), *others)
        return Ending.INTERRUPTED if ending else ending

    with monkeypatch.context() as patched:
        patched.setattr(training, "run", run)
        assert not assemble.derive("binarydm", tiny_run, stopped, QUICK, **quiet)
    assert assemble.derive("binarydm", tiny_run, stopped, QUICK, **quiet)
    first, again = lineage.read(straight), lineage.read(stopped)
    assert first["sha256"] == again["sha256"]
    opened = assemble.restore(straight)
    assert set(plan_bits(opened.plan).values()) == {(2, 4), (1, 4)}
    assert np.isfinite(sampled(opened, 3)).all()
    whole, packed = binarydm.binary_bytes(opened)
    assert whole > 4 * packed  # of layers so small, scales are the most
