"""ADM's respacing: against its rule, and laws of its own."""

import numpy as np
import pytest
import reference_diffusion as reference
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.respacing import spread, spread_in_graph

SCHEDULE = NoiseSchedule.linear()
SECTIONS = ["90,60,60,20,20", "250", "10,15,20", "1,1", "100,50,25,10", "334,333,333"]


@pytest.mark.parametrize("timesteps", [1000, 999, 37, 4])
def test_one_section_of_any_count_is_adms(timesteps):
    for count in range(1, timesteps + 1):
        chosen = spread(timesteps, str(count))
        assert chosen == reference.respaced(timesteps, [count])
        assert len(chosen) == count and chosen[0] == 0
        if count > 1:
            assert chosen[-1] == timesteps - 1


@pytest.mark.parametrize("steps", SECTIONS)
@pytest.mark.parametrize("timesteps", [1000, 1001, 4000])
def test_sections_are_adms(steps, timesteps):
    counts = [int(count) for count in steps.split(",")]
    chosen = spread(timesteps, steps)
    assert chosen == reference.respaced(timesteps, counts)
    assert len(chosen) == sum(counts)


def test_random_sections_are_adms():
    rng = np.random.default_rng(0)
    for _ in range(300):
        timesteps = int(rng.integers(5, 2000))
        number = int(rng.integers(1, min(timesteps, 9)))
        counts = [int(rng.integers(1, timesteps // number + 1)) for _ in range(number)]
        wanted = reference.respaced(timesteps, counts)
        assert spread(timesteps, ",".join(map(str, counts))) == wanted


def test_rounding_is_to_the_nearest_with_ties_either_way():
    """Only where the exact position lies half-way may the running sum decide."""
    ties = 0
    for gaps in range(1, 1000):
        for i, t in enumerate(spread(1000, str(gaps + 1))):
            twice_off = 2 * abs(i * 999 - t * gaps)  # in units of 1 / gaps
            ties += twice_off == gaps
            assert twice_off <= gaps
    assert ties > 0


def test_figures_of_adm():
    assert spread(1000, "4") == [0, 333, 666, 999]
    assert spread(1000, "3") == [0, 500, 999]  # 499.5, a tie, goes to the even
    assert spread(10, "2,2") == [0, 4, 5, 9]
    assert spread(1000, "ddim50") == list(range(0, 1000, 20))
    lsun = spread(1000, "90,60,60,20,20")
    assert len(lsun) == 250
    for section, count in enumerate([90, 60, 60, 20, 20]):
        first = 200 * section
        inside = [t for t in lsun if first <= t < first + 200]
        assert len(inside) == count
        assert inside[0] == first and inside[-1] == first + 199


@pytest.mark.parametrize("timesteps", [1000, 64])
def test_ddim_has_the_smallest_stride_of_that_many_steps(timesteps):
    for count in range(1, timesteps + 1):
        strides = [
            stride
            for stride in range(1, timesteps)
            if len(range(0, timesteps, stride)) == count
        ]
        if strides:
            wanted = list(range(0, timesteps, strides[0]))
            assert spread(timesteps, f"ddim{count}") == wanted
        else:
            with pytest.raises(InputError, match=f"=ddim{count}:.*'{count}'"):
                spread(timesteps, f"ddim{count}")


def test_an_open_count_in_a_graph_gives_the_same_for_every_count():
    one = tf.TensorSpec([], tf.int32)
    inside = tf.function(lambda n: spread_in_graph(1000, n), input_signature=[one])
    for count in range(1, 1001):
        chosen = inside(tf.constant(count)).numpy().tolist()
        assert chosen == spread(1000, str(count)), count
    assert inside(tf.constant(0)).numpy().tolist() == spread(1000, "1")
    assert inside(tf.constant(10**6)).numpy().tolist() == spread(1000, "1000")


@pytest.mark.parametrize("steps", [*SECTIONS[:4], "1000", "1", "ddim50", 17])
def test_a_grid_falls_and_keeps_the_networks_timesteps(steps):
    grid = SCHEDULE.grid(steps)
    t = grid.t.numpy()
    assert t.tolist() == spread(1000, str(steps))[::-1]
    assert (np.diff(t) < 0).all() and (np.diff(grid.log_snr) > 0).all()
    np.testing.assert_array_equal(grid.log_snr, SCHEDULE.level(t).log_snr)
    assert grid.size == len(t)
    assert grid.level(0).t == t[0] and grid.level(0).log_snr == grid.log_snr[0]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ("abc", "a list such as"),
        ("", "a list such as"),
        ("10,,20", "a list such as"),
        ("2.5", "a list such as"),
        ("ddim", "ddimN"),
        ("0", "1 to 1000"),
        ("-3", "1 to 1000"),
        ("1001", "1 to 1000"),
        ("500,501", "section 2 has 500"),
        ("10,0", "section 2"),
        ("ddim300", "'300'"),
        ("ddim10,20", "ddimN"),
        ("ddim0", "ddim0"),
    ],
)
def test_wrong_steps_are_refused_in_one_line(steps, text):
    with pytest.raises(InputError) as caught:
        SCHEDULE.grid(steps)
    assert text in str(caught.value) and "\n" not in str(caught.value)
    assert steps in str(caught.value)
