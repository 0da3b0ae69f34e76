"""Laws of steering: without the circuit's share it is the sampler, bit for bit."""

import numpy as np
import pytest
import tensorflow as tf
from drawn_circuits import write_drawn
from toys import GaussianToy, MixtureToy

from pdm_tf.config.inverse import RePaintConfig, TiramisuConfig
from pdm_tf.denoisers import guided, split
from pdm_tf.errors import InputError
from pdm_tf.inverse import repaint, tiramisu
from pdm_tf.inverse.circuits.circuit import marginals
from pdm_tf.inverse.circuits.codes import Moments
from pdm_tf.inverse.operators import open_operator
from pdm_tf.inverse.problem import Problem, residual
from pdm_tf.samplers import DDIM, sample

SHAPE = (4, 4, 1)
TOY = MixtureToy(image_shape=SHAPE)
GRID = TOY.schedule.grid(10)
TRUTH = sample(TOY, DDIM(), TOY.schedule.grid(50), [99], SHAPE)


def problem_of(text, sigma=0.0):
    operator = open_operator(text, SHAPE, 0, sigma)
    return Problem(operator, operator.measure(TRUTH, [0]))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    return write_drawn(tmp_path_factory.mktemp("circuit"), SHAPE, 2)


def solved(learnt, denoise=TOY, seeds=range(3), text="box:0.5", grid=GRID, **changes):
    config = TiramisuConfig(circuit=learnt[1], resamplings=2, jump=5, **changes)
    return tiramisu.solve(denoise, problem_of(text), grid, seeds, config).numpy()


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_without_the_circuits_share_it_is_repaint_bit_for_bit(learnt, sampler):
    config = RePaintConfig(resamplings=2, jump=5, sampler=sampler)
    plain = repaint.solve(TOY, problem_of("box:0.5"), GRID, range(3), config)
    ours = solved(learnt, share=1.0, sampler=sampler)
    np.testing.assert_array_equal(ours, plain)
    np.testing.assert_array_equal(solved(learnt, since=1.0, sampler=sampler), plain)
    assert np.abs(solved(learnt, since=0.5, sampler=sampler) - plain).max() > 1e-3


def test_the_product_is_that_of_fine_levels():
    first, second, m = Moments(0.2, 0.3), Moments(-0.4, 0.05), 0.83
    levels = np.linspace(-6, 6, 20_001)
    law = sum(
        -share * (levels - one.mean) ** 2 / (2 * one.variance)
        for one, share in ((first, m), (second, 1 - m))
    )
    law = np.exp(law - law.max())
    law /= law.sum()
    mean = (law * levels).sum()
    found = tiramisu.product(first, second, m)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.variance == pytest.approx((law * (levels - mean) ** 2).sum(), rel=1e-4)
    assert 1 / found.variance == pytest.approx(m / 0.3 + (1 - m) / 0.05)


def steering_of(learnt, text="box:0.5", **changes):
    config = TiramisuConfig(circuit=learnt[1], **changes)
    return tiramisu.Steering(TOY, problem_of(text), learnt[0], config)


def test_the_models_share_follows_the_level_and_where_it_ends(learnt):
    found = steering_of(learnt, share=0.8, since=0.5).share(
        TOY.schedule.level([900, 501, 500, 0])
    )
    wanted = [0.8 + 0.2 * np.exp(-1.8), 0.8 + 0.2 * np.exp(-1.002), 1, 1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    z = sample(TOY, DDIM(), GRID, [0, 1], SHAPE)
    levels = TOY.schedule.level([900, 100])
    mixed, plain = steering_of(learnt, since=0.5)(z, levels).x, TOY(z, levels).x
    np.testing.assert_array_equal(mixed[1], plain[1])
    assert np.abs(mixed[0] - plain[0]).max() > 1e-3


def test_hidden_patches_have_what_the_circuit_says_of_those_seen(learnt):
    half = np.zeros(SHAPE[:2], bool)
    half[:, 2:] = True
    operator = tiramisu.Mask(SHAPE, half)
    book, circuit = learnt[0].codebook, learnt[0].circuit
    rows = book.moments(np.eye(5, dtype="f4")[[[0, 1, 2, 3]]]).mean
    x = book.pictures(rows, SHAPE)
    config = TiramisuConfig(temperature=1e6)
    problem = Problem(operator, operator.forward(x))
    law = tiramisu.Steering(TOY, problem, learnt[0], config).codes(rows[:, 1::2])
    q = np.ones((1, 4, 5), "f4")
    q[0, 0], q[0, 2] = np.eye(5)[[0, 2]]
    wanted = marginals(circuit, q)
    np.testing.assert_allclose(law[0], wanted[0, 1::2], atol=1e-3)
    prior = marginals(circuit, np.ones_like(q))
    assert np.abs(law[0] - prior[0, 1::2]).max() > 0.01


def test_the_best_codes_are_kept():
    law = np.random.default_rng(0).normal(0, 3, (4, 7, 128)).astype("f4")
    least = tiramisu.least_kept(tf.constant(law)).numpy()
    wanted = np.sort(law, -1)[..., -20:-19]
    assert (least <= wanted).all() and np.abs(least - wanted).max() < 0.01
    few = tiramisu.least_kept(tf.constant(law[..., :9])).numpy()
    assert (few <= law[..., :9]).all()


@pytest.mark.parametrize("text", ["box:0.5", "random_mask:0.5"])
def test_a_picture_is_the_same_in_every_batch_and_fits(learnt, text):
    both = solved(learnt, seeds=[7, 8], text=text, since=0.3)
    alone = solved(learnt, seeds=[8], text=text, since=0.3)
    np.testing.assert_allclose(alone[0], both[1], atol=1e-5)
    np.testing.assert_array_equal(residual(problem_of(text), both), 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["guided", "split"])
def test_guided_and_split_models_are_led_too(learnt, kind):
    shifted = MixtureToy(shift=0.2, image_shape=SHAPE)
    denoise = {
        "guided": guided(shifted, [1] * 3, weight=2.0),
        "split": split(TOY, GaussianToy(image_shape=SHAPE), snr=0.25),
    }[kind]
    x = solved(learnt, denoise, since=0.5)
    assert np.isfinite(x).all()
    assert np.abs(x - solved(learnt, denoise, share=1.0)).max() > 1e-3


@pytest.mark.parametrize(
    "text, sigma", [("downsample:2", 0.0), ("blur:gaussian,1", 0.0), ("box:0.5", 0.1)]
)
def test_only_masks_without_noise_are_taken(learnt, text, sigma):
    config = TiramisuConfig(circuit=learnt[1])
    with pytest.raises(InputError, match="tiramisu needs a mask without noise"):
        tiramisu.solve(TOY, problem_of(text, sigma), GRID, [0], config)


def test_a_graph_is_made_once_for_all_levels(learnt):
    steering = steering_of(learnt, since=0.5)
    graph = tf.function(lambda z, t: steering(z, TOY.schedule.level(t)).x)
    z = tf.zeros([1, *SHAPE])
    for t in (10, 990):
        found = graph(z, tf.constant(t))
        wanted = steering(z, TOY.schedule.level(t)).x
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert graph.experimental_get_tracing_count() == 1
