"""Which evaluations are key steps."""

from math import ceil

import numpy as np
import pytest
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.acceleration.key_steps import (
    AtTimesteps,
    EveryNth,
    at_steps,
    spread_by_power,
)

SCHEDULE = pdm.NoiseSchedule.linear()


def key_steps(rule, timesteps):
    """Indices at which a rule says that everything is due, along a trajectory."""
    phase, found = tf.zeros([1], tf.int32), []
    for i, t in enumerate(timesteps):
        due, phase = rule(tf.constant([t]), phase)
        found += [i] if due[0] else []
    return found


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
def test_every_nth_is_every_nth(every):
    found = key_steps(EveryNth(every), range(10, 0, -1))
    assert found == list(range(0, 10, every))
    assert len(found) == ceil(10 / every)


def test_the_list_of_a_grid_is_that_list_on_that_grid():
    keys = (0, 1, 5, 10, 35, 49)
    rule = at_steps(SCHEDULE, 50, keys)
    assert key_steps(rule, SCHEDULE.grid(50).t.numpy()) == list(keys)


@pytest.mark.parametrize("steps", [7, 20, 100, 333])
def test_on_any_grid_each_key_timestep_makes_one_key_step_at_most(steps):
    keys = tuple(int(SCHEDULE.grid(50).t[i]) for i in (0, 1, 5, 10, 35, 49))
    t = SCHEDULE.grid(steps).t.numpy()
    found = key_steps(AtTimesteps(keys, 1000), t)
    wanted = {int(np.flatnonzero(t <= key)[0]) for key in keys}
    assert found == sorted(wanted)


def test_the_first_evaluation_is_a_key_step_wherever_it_is():
    assert key_steps(AtTimesteps((500,), 1000), [900, 800, 450, 10]) == [0, 2]


def test_a_trajectory_that_turns_back_has_a_key_step_there():
    rule = AtTimesteps((999, 500), 1000)
    assert key_steps(rule, [700, 400, 300, 600, 550]) == [0, 1, 3]


@pytest.mark.parametrize("power", [1.0, 1.2, 1.4, 2.5])
@pytest.mark.parametrize(("steps", "count"), [(50, 10), (100, 34), (100, 50), (20, 20)])
def test_the_list_by_power_is_complete_and_symmetric(steps, count, power):
    found = spread_by_power(steps, count, power, steps // 2)
    assert len(set(found)) == count and found[0] == 0 and max(found) < steps
    for key in found[1:]:
        assert min(abs(steps - key - other) for other in found) <= 1


@pytest.mark.parametrize("centre", [10, 15, 30])
def test_the_list_by_power_is_densest_at_its_centre(centre):
    found = np.asarray(spread_by_power(100, 10, 1.4, centre))
    middles, gaps = (found[1:] + found[:-1]) / 2, np.diff(found)
    assert abs(middles[np.argmin(gaps)] - centre) <= 5
    assert gaps[-1] > 2 * gaps.min()
