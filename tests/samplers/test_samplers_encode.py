"""DDIM there and back."""

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy, MixtureToy, gaussian_flow

from pdm_tf.config import InputError
from pdm_tf.samplers import DDIM, encode, invertible, sample, sample_from, start

TOY = MixtureToy()
SEEDS = range(8)


def pictures():
    return sample(TOY, DDIM(), TOY.schedule.grid(250), SEEDS, SHAPE)


def returned(steps, iterations=1):
    """Root mean square error of encoding and decoding."""
    x, grid = pictures(), TOY.schedule.grid(steps)
    z = encode(TOY, grid, SEEDS, x, iterations)
    again = sample_from(TOY, DDIM(), grid, SEEDS, z)
    return float(tf.sqrt(tf.reduce_mean(tf.square(again - x))))


def test_fifty_steps_lead_back_with_35_db():
    assert 20 * np.log10(2.0 / returned(50)) > 35


@pytest.mark.parametrize("steps", [20, 50])
def test_iterations_make_it_exact(steps):
    wrong = [returned(steps, iterations) for iterations in (1, 2, 4, 8)]
    assert wrong[0] > wrong[1] > wrong[2] > wrong[3]
    assert wrong[3] < 0.1 * wrong[0]


@pytest.mark.parametrize("iterations", [1, 2])
def test_error_falls_with_as_many_orders_as_iterations(iterations):
    steps = (125, 250, 500)
    wrong = [returned(n, iterations) for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(wrong), 1)[0]
    assert slope > iterations - 0.15


def test_noise_found_is_the_noise_of_the_flow():
    toy = GaussianToy()
    grid = toy.schedule.grid(1000)
    x = 0.5 * start(SEEDS, SHAPE)
    z = encode(toy, grid, SEEDS, x, 2).numpy()
    clean = type(grid.level(0)).from_alpha(-1, 1.0)
    truth = gaussian_flow(x.numpy().astype(np.float64), clean, grid.level(0))
    np.testing.assert_allclose(z, truth, rtol=0.02, atol=0.01)


def test_what_was_drawn_leads_back_to_its_noise():
    grid = TOY.schedule.grid(250)
    z = start(SEEDS, SHAPE)
    x = sample_from(TOY, DDIM(), grid, SEEDS, z)
    np.testing.assert_allclose(encode(TOY, grid, SEEDS, x, 8), z, rtol=0, atol=0.02)


def test_flat_pictures_have_noise_too():
    # A network that knows its pictures by heart: any noise leads to them.
    class Rote(GaussianToy):
        def denoised(self, z, level):
            return tf.zeros_like(z) - 1.0

    rote = Rote()
    z = encode(rote, rote.schedule.grid(50), SEEDS, -tf.ones([8, *SHAPE]))
    assert float(tf.math.reduce_std(z)) == pytest.approx(1.0, abs=0.1)
    assert not np.array_equal(z[0], z[1])


def test_loud_levels_are_invertible():
    grid = TOY.schedule.grid(50)
    loud = invertible(grid, snr=100.0)
    assert 0 < loud.size < grid.size
    assert loud.t.numpy().tolist() == grid.t.numpy()[: loud.size].tolist()
    assert float(tf.exp(loud.log_snr[-1])) <= 100.0
    assert float(tf.exp(grid.log_snr[loud.size])) > 100.0
    assert invertible(TOY.schedule.grid(1), snr=100.0).size == 1


def test_no_iteration_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        encode(TOY, TOY.schedule.grid(5), SEEDS, pictures(), 0)
