"""Without a TPU at hand: XLA compiles what would run there; graphs ask no more."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from ways import SMALL

from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.denoisers import guided
from pdm_tf.profiling.tpu import find_unsupported
from pdm_tf.samplers import DDPM, sample
from pdm_tf.samplers.sampler import start

FLAT = SMALL.network
LEVELS = replace(  # halved and doubled again, with attention on both grids
    FLAT,
    image_shape=(16, 16, 3),
    channel_multipliers=(1.0, 2.0),
    attention_resolutions=(8, 4),
)
slow = pytest.mark.slow


def build(network=FLAT, **settings):
    training = replace(SMALL.training, **settings)
    config = replace(SMALL, network=network, training=training)
    state = build_state(config, tf.distribute.get_strategy())
    return state, build_trainer(config, tf.distribute.get_strategy(), state)


def batch_of(network):
    return (
        tf.TensorSpec([12, *network.image_shape], tf.uint8),
        tf.TensorSpec([12], tf.int32),
    )


def steps(network, jit):
    """Weights after three whole steps: gradients, clipping, Adam, average."""
    state, trainer = build(network)
    step = tf.function(trainer.take_step, jit_compile=jit, autograph=False)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = tf.constant(rng.integers(0, 255, (12, *network.image_shape)), tf.uint8)
        metrics = step((x, tf.range(12) % 3))
    weights = [*trainer.variables, *state.average.weights.values()]
    assert int(state.step) == 3
    return [w.numpy() for w in weights], metrics


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("network", [FLAT, LEVELS], ids=["flat", "levels"])
def test_the_whole_step_compiles_and_is_the_same(network):
    plain, compiled = steps(network, False), steps(network, True)
    for a, b in zip(plain[0], compiled[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(
        plain[1].terms["simple"], compiled[1].terms["simple"], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        pytest.param(FLAT, {}, id="flat"),
        pytest.param(LEVELS, {}, id="levels", marks=slow),
        pytest.param(
            FLAT,
            {"microbatch": 4, "remat": True, "skip_nonfinite": True},
            id="all",
            marks=slow,
        ),
    ],
)
def test_the_step_asks_nothing_of_a_tpu_that_it_lacks(network, settings):
    _, trainer = build(network, **settings)
    step = tf.function(trainer.take_step, autograph=False)
    assert find_unsupported(step.get_concrete_function(batch_of(network))) == []


def draw(denoise, guidance):
    """A function of seeds [2] that draws pictures in three steps."""
    if guidance:
        denoise = guided(denoise, tf.constant([0, 1]), guidance)
    grid = denoise.schedule.grid(3)

    def drawn(seeds):
        return sample(denoise, DDPM(), grid, seeds, denoise.image_shape)

    return drawn


def sampler(guidance, network=FLAT):
    state, _ = build(network)
    for v in state.denoiser.network.trainable_variables:
        v.assign(v + 0.05 * tf.random.stateless_normal(v.shape, [1, 2]))
    return draw(state.denoiser, guidance)


@pytest.mark.parametrize(
    "network", [FLAT, pytest.param(LEVELS, marks=slow)], ids=["flat", "levels"]
)
def test_the_sampler_asks_nothing_of_a_tpu_that_it_lacks(network):
    for count in (1, 2, 3):  # what was drawn before must not blur shapes
        start(range(count), network.image_shape)
    plain = tf.function(sampler(2.0, network), autograph=False)
    concrete = plain.get_concrete_function(tf.TensorSpec([2], tf.int32))
    assert find_unsupported(concrete) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("network", "guidance"),
    [(FLAT, None), (FLAT, 2.0), (LEVELS, 2.0)],
    ids=["flat", "guided", "levels"],
)
def test_the_sampler_compiles_and_draws_the_same(network, guidance):
    drawn, seeds = sampler(guidance, network), tf.constant([3, 4])
    plain = tf.function(drawn, autograph=False)
    compiled = tf.function(drawn, jit_compile=True, autograph=False)
    np.testing.assert_allclose(plain(seeds), compiled(seeds), atol=1e-4)


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda x: tf.where(x > 0), "Where"),
        (lambda x: tf.unique(x)[0], "Unique"),
        (lambda x: tf.image.resize(x[None, :, None, None], [4, 4], "bicubic"), "Resiz"),
        (lambda x: tf.cast(x, tf.float64) * 2.0, "float64"),
        (lambda x: x + tf.random.normal([3]), "RandomStandardNormal"),
        (lambda x: tf.boolean_mask(x, x > 0), "unknown shape"),
        (lambda x: tf.numpy_function(np.sin, [x], tf.float32), "PyFunc"),
        (lambda x: tf.map_fn(lambda a: a + tf.random.uniform([]), x), "RandomUniform"),
    ],
)
def test_what_a_tpu_lacks_is_found_wherever_it_hides(work, name):
    inner = tf.function(work, autograph=False)
    outer = tf.function(lambda x: inner(x), autograph=False)
    concrete = outer.get_concrete_function(tf.TensorSpec([3], tf.float32))
    assert any(name in line for line in find_unsupported(concrete))
