"""Orders of convergence, on data whose probability flow is known exactly.

In double precision (samplers keep the type of z), on grids that do not end clean.
"""

from math import comb

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy, MixtureToy, gaussian_flow, mixture_flow

from pdm_tf.diffusion import Grid
from pdm_tf.samplers import DDIM, GHVB, PLMS, DPMSolver, HeavyBall, Heun, integrate
from pdm_tf.samplers.plms import ADAMS_BASHFORTH

DATA = [(GaussianToy(), gaussian_flow), (MixtureToy(), mixture_flow)]
SOLVERS = [
    DDIM(),
    Heun(),
    DPMSolver(),
    PLMS(order=1),
    PLMS(order=2),
    PLMS(order=3),
    PLMS(order=4),
    HeavyBall(),
    HeavyBall(beta=0.5, order=2),
    HeavyBall(beta=1.0),
    GHVB(0.8),
    GHVB(1.8),
    GHVB(2.0),
    GHVB(3.8),
]
STEPS = (128, 256, 512)


def even_grid(steps):
    return Grid(tf.range(steps + 1), tf.constant(np.linspace(-8.0, 8.0, steps + 1)))


def errors(sampler, toy, flow):
    """Root mean square distances from the exact flow, for each number of steps."""
    z = np.random.default_rng(0).standard_normal((4, 4, 4, 1))
    signature = [
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None], tf.float64),
        tf.TensorSpec(z.shape, tf.float64),
    ]
    seeds = tf.zeros([len(z)], tf.int32)
    integrated = tf.function(
        lambda t, log_snr, z: integrate(toy, sampler, Grid(t, log_snr), seeds, z),
        input_signature=signature,
        autograph=False,
    )
    found = []
    for steps in STEPS:
        grid = even_grid(steps)
        truth = flow(z, grid.level(0), grid.level(steps))
        found.append(
            np.sqrt(np.mean((integrated(grid.t, grid.log_snr, z).numpy() - truth) ** 2))
        )
    return found


@pytest.mark.parametrize("toy, flow", DATA, ids=["gaussian", "mixture"])
@pytest.mark.parametrize("sampler", SOLVERS, ids=repr)
def test_error_falls_with_the_order_that_the_sampler_states(sampler, toy, flow):
    slope = -np.polyfit(np.log(STEPS), np.log(errors(sampler, toy, flow)), 1)[0]
    assert slope == pytest.approx(sampler.convergence_order, abs=0.15)


@pytest.mark.parametrize("toy, flow", DATA, ids=["gaussian", "mixture"])
def test_momentum_lies_between_its_neighbours(toy, flow):
    ddim, calm, brisk, plms = (
        errors(sampler, toy, flow)[0]
        for sampler in (DDIM(), GHVB(1.5), GHVB(1.8), PLMS(order=2))
    )
    assert plms < brisk < calm < ddim


@pytest.mark.parametrize(
    "sampler, same",
    [
        (PLMS(order=1), DDIM()),
        (HeavyBall(beta=1.0, order=3), PLMS(order=3)),
        (HeavyBall(beta=0.7, order=1), GHVB(0.7)),
        (GHVB(3.0), PLMS(order=3)),
    ],
    ids=repr,
)
def test_ends_of_a_family_are_its_neighbours(sampler, same):
    toy, flow = DATA[1]
    assert errors(sampler, toy, flow) == pytest.approx(errors(same, toy, flow), 1e-6)


def test_weights_are_those_of_the_papers():
    # Adams-Bashforth of order 4 (arXiv 2202.09778) and GHVB's (arXiv 2307.11118).
    def weights(sampler):
        size = sampler.order
        rows = np.zeros((size, size))
        for order in range(size):
            signs = [(-1) ** i * comb(order, i) for i in range(order + 1)]
            rows[order, : order + 1] = signs
        return np.asarray(series(sampler)) @ rows

    def series(sampler):
        return getattr(sampler, "series", ADAMS_BASHFORTH)[: sampler.order]

    assert weights(PLMS()) * 24 == pytest.approx([55, -59, 37, -9])
    beta = 0.7
    assert weights(GHVB(1 + beta)) * 2 * beta == pytest.approx([2 + beta, beta - 2])
    third = [18 + 5 * beta, -(24 - 8 * beta), 6 - beta]
    assert weights(GHVB(2 + beta)) * 12 * beta == pytest.approx(third)
