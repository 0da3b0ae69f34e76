"""Laws of the spacings of timesteps."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.grids import SPACINGS

SCHEDULE = NoiseSchedule.linear()
OTHERS = [spacing for spacing in SPACINGS if spacing != "uniform"]
COUNTS = (1, 2, 5, 10, 50, 250, 999, 1000)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_visits_as_many_as_asked_and_none_twice(spacing):
    for count in COUNTS[1:]:
        t = SCHEDULE.grid(count, spacing).t.numpy()
        assert len(t) == count
        assert (np.diff(t) < 0).all()
        assert t[0] == 999
        power = {"trailing": 1.0, "trailing_dense": 1.3}.get(spacing)
        last = max(round(1000 * count**-power) - 1, 0) if power else 0
        assert t[-1] == last


@pytest.mark.parametrize("spacing", SPACINGS)
def test_open_number_in_a_graph_is_the_same_grid(spacing):
    one = tf.TensorSpec([], tf.int32)
    inside = tf.function(lambda n: SCHEDULE.grid(n, spacing), input_signature=[one])
    for count in COUNTS:
        known, opened = SCHEDULE.grid(count, spacing), inside(tf.constant(count))
        assert known.t.numpy().tolist() == opened.t.numpy().tolist()
        assert known.log_snr.numpy().tolist() == opened.log_snr.numpy().tolist()
    assert inside(tf.constant(5000)).t.shape == [1000]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_levels_are_the_schedules_own(spacing):
    grid = SCHEDULE.grid(20, spacing)
    assert (grid.log_snr.numpy() == SCHEDULE.level(grid.t).log_snr.numpy()).all()


@pytest.mark.parametrize("spacing", OTHERS)
def test_one_step_starts_from_noise(spacing):
    assert SCHEDULE.grid(1, spacing).t.numpy().tolist() == [999]


def even_in(spacing, grid):
    log_snr = grid.log_snr.numpy().astype(np.float64)
    return {
        "log_snr": log_snr,
        "karras": np.exp(-0.5 * log_snr) ** (1 / 7),
        "quadratic": np.sqrt(grid.t.numpy()),
        "uniform": grid.t.numpy().astype(np.float64),
        # The last step of these ends clean.
        "trailing": np.append(grid.t.numpy(), -1.0),
        "trailing_dense": np.append(grid.t.numpy() + 1.0, 0.0) ** (1 / 1.3),
    }[spacing]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_steps_are_equal_in_their_own_measure(spacing):
    # Timesteps are whole, which near t = 0, where SNR moves most, shows most.
    fine = NoiseSchedule(tuple(np.linspace(1e-6, 0.0002, 100_000).tolist()))
    steps = np.diff(even_in(spacing, fine.grid(12, spacing)))
    assert steps == pytest.approx(steps.mean(), rel=0.03)


def test_low_noise_is_visited_most_by_those_made_for_it():
    def low(spacing):
        return np.mean(SCHEDULE.grid(50, spacing).t.numpy() < 100)

    assert low("uniform") < low("quadratic") < low("log_snr")


@pytest.mark.parametrize("steps", [0, 1001, "20,20", "ddim50", "many"])
def test_steps_that_do_not_fit_are_refused(steps):
    with pytest.raises(InputError, match=str(steps)):
        SCHEDULE.grid(steps, "karras")


def test_unknown_spacing_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="log_snr, karras"):
        SCHEDULE.grid(10, "cosine")
