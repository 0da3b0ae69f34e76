"""Q-Diffusion: learned rounding, block by block, on steps of trajectories."""

import re
from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import QDiffusionConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import layers_of
from pdm_tf.quantization import q_diffusion
from pdm_tf.quantization.adaround import SoftRounded, temperature
from pdm_tf.quantization.blocks import BlockData, blocks_of, compute_block, read_block
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of, seams_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.reconstruction import (
    Recipe,
    learn_rounding,
    reconstruct_activations,
    reconstruct_weights,
)
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of

RNG = np.random.default_rng(0)
SOME = "patches_in|middle_0|middle_attention"
CONFIG = QDiffusionConfig(weight_bits=3, outer_bits=3, iterations=40, batch_size=8)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows():
    z = RNG.normal(size=(24, 8, 8, 1)).astype(np.float32)
    t = RNG.integers(1000, size=24).astype(np.int32)
    return Rows(z, t, RNG.integers(4, size=24).astype(np.int32))


def fitting_of(base, rows, **context):
    """Of the input convolution and the middle, which stands for all blocks."""
    whole = plan_of(base, spec_of(CONFIG, inner=LayerSpec(split=True)))
    plan = {p: layer for p, layer in whole.items() if re.match(SOME, p)}
    fitting = Fitting(base, plan, rows, "n", Context(Config(), lambda: None, **context))
    fit_nearest(fitting, "mse")
    return fitting


def soft_of(shape, bits=3, **settings):
    kernel = RNG.normal(size=shape).astype(np.float32)
    layer = QuantizedLayer(shape, LayerSpec(NumberFormat(bits)), **settings)
    round_to_nearest(layer, kernel, "mse")
    return layer, kernel, SoftRounded(layer, kernel)


# --- learned rounding -----------------------------------------------------------------


@pytest.mark.parametrize("seam", [0, 2])
def test_a_soft_kernel_starts_as_the_kernel_clipped(seam):
    layer, kernel, soft = soft_of((1, 1, 4, 3), seam=seam)
    group = layer.side_of
    scale, zero = layer.scale.numpy()[group], layer.zero.numpy()[group].astype(float)
    wanted = np.clip(kernel, -zero * scale, (7 - zero) * scale)
    np.testing.assert_allclose(soft.kernel(tf.constant(kernel)), wanted, atol=1e-5)


def test_hard_codes_go_down_or_up_and_nearest_at_the_start():
    layer, kernel, soft = soft_of((3, 3, 4, 3))
    nearest = layer.kernel(tf.constant(kernel)).numpy()
    soft.store()
    np.testing.assert_allclose(layer.kernel(tf.constant(kernel)), nearest)
    soft.v.assign(tf.random.stateless_normal(soft.v.shape, (1, 2)))
    scale, zero = layer.scale.numpy()[0], layer.zero.numpy()[0].astype(int)
    floor = np.clip(np.floor(kernel / scale) + zero, 0, 7)
    assert set(np.unique(soft.codes() - floor)) <= {0, 1}


def test_the_penalty_vanishes_where_all_is_decided():
    *_, soft = soft_of((4, 2))
    soft.v.assign(tf.constant([-9.0, 9.0])[None] * tf.ones([4, 1]))
    assert float(soft.penalty(tf.constant(2.0))) == pytest.approx(0, abs=1e-4)
    soft.v.assign(tf.zeros([4, 2]))  # h = 1/2
    assert float(soft.penalty(tf.constant(2.0))) == pytest.approx(8)


def test_the_exponent_falls_from_20_to_2_after_the_warm_up():
    assert temperature(0, 100, 0.2) == (20.0, False)
    assert temperature(20, 100, 0.2) == (20.0, True)
    assert temperature(100, 100, 0.2)[0] == 2.0


def test_six_weights_are_rounded_as_well_as_by_trying_all_64_ways():
    rng = np.random.default_rng(4)
    kernel = rng.normal(size=(6, 1)).astype(np.float32)
    x = (rng.normal(size=(64, 6)) + 1.0).astype(np.float32)  # a mean, as after SiLU
    none, whole = np.zeros((64, 0), np.float32), np.zeros(64, np.int32)
    data = BlockData(x, none, none, whole, whole, x @ kernel)
    layer = QuantizedLayer((6, 1), LayerSpec(NumberFormat(3)))
    round_to_nearest(layer, kernel)
    scale, zero = layer.scale.numpy()[0], layer.zero.numpy()[0].astype(float)

    def error(codes):
        return np.square(x @ ((codes - zero) * scale - kernel)).mean()

    floor = np.floor(kernel / scale) + zero
    ups = (np.reshape(up, (6, 1)) for up in product((0, 1), repeat=6))
    best = min(error(np.clip(floor + up, 0, 7)) for up in ups)
    assert best < 0.5 * error(np.round(kernel / scale) + zero)  # nearest is worse
    soft = SoftRounded(layer, kernel)

    def block(x, time, classes):
        return tf.matmul(x, soft.kernel(tf.constant(kernel)))

    learn_rounding(block, {}, {"": soft}, data, Recipe(200, 0, 64, 3e-2, 0.0))
    assert error(soft.codes()) == pytest.approx(best)


# --- blocks ---------------------------------------------------------------------------


def test_a_block_alone_gives_what_it_gave_within_the_network(base, rows):
    for block in blocks_of(base.network):
        data = read_block(base, {}, rows, block.name)
        again = compute_block(block, base.plan, {}, data)
        np.testing.assert_allclose(again, data.output, atol=1e-5)


def test_seams_lie_where_the_skip_begins(base, rows):
    first = {b.name: b for b in blocks_of(base.network)}
    for path, seam in seams_of(base.network).items():
        read = layers_of(base.network)[path].kernel.shape[-2]
        assert 0 < seam < read and path.partition("/")[0] in first
    # What joins from the input convolution has its width.
    assert layers_of(base.network)["up_0_1/skip"].kernel.shape[-2] == 8 + 8


def test_blocks_learn_and_other_layers_stay(base, rows):
    fitting = fitting_of(base, rows)
    before = {
        p: layer.codes.numpy() for p, layer in fitting.plan.items() if layer.shape
    }
    lines = []
    fitting = fitting._replace(context=Context(Config(), None, note=lines.append))
    reconstruct_weights(fitting, Recipe(60, 0, 8, 3e-2, 0.0))
    for line in lines:
        first, last = map(float, re.search(r"error (.*) -> (.*);", line).groups())
        assert last < first, line
    for path, codes in before.items():
        changed = (fitting.plan[path].codes.numpy() != codes).any()
        assert not changed or "/" in path, path


def test_steps_of_activations_learn_and_weights_stay(base, rows):
    fitting = fitting_of(base, rows)
    before = {
        p: layer.codes.numpy() for p, layer in fitting.plan.items() if layer.shape
    }
    lows = {p: layer.high.numpy() for p, layer in fitting.plan.items()}
    reconstruct_activations(fitting, Recipe(0, 5, 8, 0.0, 1e-2))
    for path, codes in before.items():
        np.testing.assert_array_equal(fitting.plan[path].codes.numpy(), codes)
    moved = [
        p for p, high in lows.items() if (fitting.plan[p].high.numpy() != high).any()
    ]
    assert moved and all("/" in path for path in moved)


def test_a_stopped_command_goes_on_to_the_same_codes(base, rows):
    kept, recipe = {}, Recipe(5, 0, 8, 2e-2, 0.0)
    straight = fitting_of(base, rows)
    reconstruct_weights(straight, recipe)

    def keep(name, arrays):
        if len(kept) == 1:
            raise KeyboardInterrupt
        kept[name] = arrays

    with pytest.raises(KeyboardInterrupt):
        reconstruct_weights(fitting_of(base, rows, keep=keep), recipe)
    lines = []
    again = fitting_of(base, rows, kept=kept.get, note=lines.append)
    reconstruct_weights(again, recipe)
    assert len(lines) == 2 - len(kept) == 1
    for path, layer in straight.plan.items():
        for name, variable in layer.variables.items():
            np.testing.assert_array_equal(again.plan[path].variables[name], variable)


# --- calibration ----------------------------------------------------------------------


def test_steps_begin_with_the_noisiest_and_hold_the_last():
    assert q_diffusion.steps_taken(20, 5).tolist() == [0, 4, 8, 12, 16, 19]
    assert q_diffusion.steps_taken(3, 10).tolist() == [0, 1, 2]
    kept = q_diffusion.choice_of(QDiffusionConfig(calibration_images=2))(np.arange(20))
    assert kept.shape == (2, 20) and kept.sum(axis=1).tolist() == [11, 11]


@pytest.mark.parametrize("name", ["iterations", "activation_iterations", "batch_size"])
def test_a_training_that_cannot_be_is_refused(base, name):
    with pytest.raises(InputError, match=name):
        q_diffusion.derive(base, QDiffusionConfig(**{name: -1}), None)
