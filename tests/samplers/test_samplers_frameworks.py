"""DDPM, annealed Langevin dynamics, the reverse equation: all draw the same."""

import numpy as np
import pytest
import tensorflow as tf
from toys import CorrelatedToy, GaussianToy

from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.samplers import DDPM, open_sampler, sample
from pdm_tf.samplers.langevin import Langevin
from pdm_tf.samplers.reverse_sde import ReverseSDE
from pdm_tf.samplers.shelf import FRAMEWORKS

SHAPE, COUNT = (1, 2, 1), 4000
RHO, VARIANCE = CorrelatedToy.rho, 0.25


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddpm", *FRAMEWORKS])
def test_mean_and_covariance_are_those_of_the_data(name):
    """Within 3 standard errors, at 1000 levels (arXiv 2211.07804, section 2)."""
    toy = CorrelatedToy(image_shape=SHAPE)
    sampler, grid = open_sampler(name, "small"), toy.schedule.grid(1000)
    if name == "langevin":  # five times at each level
        grid = Grid(*(tf.repeat(levels, 5) for levels in grid))
    x = sample(toy, sampler, grid, range(COUNT), SHAPE).numpy().reshape(COUNT, 2)
    wanted = VARIANCE * np.array([[1.0, RHO], [RHO, 1.0]])
    assert (np.abs(x.mean(0)) < 3 * np.sqrt(VARIANCE / COUNT)).all()
    error = np.sqrt((wanted**2 + VARIANCE**2) / COUNT)
    assert (np.abs(np.cov(x.T) - wanted) < 3 * error).all()


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.0])
def test_langevin_stays_at_its_own_variance(rate):
    """v / (1 - d / (4 v)) of normal data of variance v, here of noisy pictures."""
    toy, sampler = GaussianToy(image_shape=(100, 200, 1)), Langevin(rate)
    level = toy.schedule.level(300)
    s2 = float(1.0 / level.snr)
    v, d = VARIANCE + s2, rate * s2
    z = tf.random.stateless_normal([1, *toy.image_shape], (0, 0))
    z *= level.signal * np.float32(np.sqrt(v))
    for i in range(60):
        noise = tf.random.stateless_normal(z.shape, (i, 1))
        z, _ = sampler.step(toy, z, level, level, (), noise)
    found = float(tf.math.reduce_variance(z / level.signal))
    assert found == pytest.approx(v / (1 - d / (4 * v)), rel=0.04)


def test_short_steps_of_the_reverse_equation_are_those_of_ddpm():
    toy, z = GaussianToy(), tf.random.stateless_normal([2, *SHAPE], (0, 0))
    noise, level = tf.random.stateless_normal(z.shape, (0, 1)), toy.schedule.level(500)
    far = []
    for gain in (1e-2, 1e-3):
        to = NoiseLevel(level.t, level.log_snr + gain)
        ends = [s.step(toy, z, level, to, (), noise)[0] for s in (ReverseSDE(), DDPM())]
        far.append(np.abs(ends[0] - ends[1]).max())
    assert far[1] < 0.1 * far[0] < 1e-3


def test_their_names_open_them():
    for name, make in FRAMEWORKS.items():
        assert open_sampler(name) == make()
